import type { Socket } from 'node:net';

const blockBytes = 16_384;
/** Above this many bytes that the peer has not taken, nothing more is written to it for now. */
const congestedBytes = 262_144;

/** Blocks that were written out at once and can serve again; shared, since most connections are idle. */
const spare: Buffer[] = [];

/** The length in bytes of MQTT's variable-length number. */
const lengthBytes = (value: number): number => (value < 128 ? 1 : value < 16_384 ? 2 : value < 2_097_152 ? 3 : 4);

/**
 * Writes acknowledgements and messages to one connection. What is written in one turn of the event loop is put into
 * one block and goes out with one call: with an acknowledgement and a reply per report, calls are what costs.
 */
export class Outlet {
  readonly #socket: Socket;
  readonly #onDrain: () => void;
  #block: Buffer | undefined;
  #used = 0;
  #congested = false;
  readonly #flushLater = () => this.flush();
  readonly #drained = () => {
    this.#congested = false;
    this.#onDrain();
  };

  /** `onDrain` is called when a congested connection has taken everything. */
  constructor({ socket, onDrain }: { socket: Socket; onDrain: () => void }) {
    this.#socket = socket;
    this.#onDrain = onDrain;
  }

  /** True while the peer does not take what was written; only small packets should be added then. */
  get congested(): boolean {
    return this.#congested;
  }

  /** Acknowledges a QoS 1 message. */
  puback(id: number): void {
    const block = this.#room(4);
    const at = this.#used;
    block[at] = 0x40;
    block[at + 1] = 2;
    block[at + 2] = id >> 8;
    block[at + 3] = id & 0xff;
    this.#used = at + 4;
  }

  /** Sends a message; `topic` has its two bytes of length in front, `id` is 0 for QoS 0. */
  publish({ topic, payload, id, again }: { topic: Buffer; payload: Buffer; id: number; again: boolean }): void {
    const length = topic.length + (id === 0 ? 0 : 2) + payload.length;
    const block = this.#room(1 + lengthBytes(length) + length);
    let at = this.#used;
    block[at++] = 0x30 | (id === 0 ? 0 : 2) | (again ? 8 : 0);
    let rest = length;
    while (rest >= 128) {
      block[at++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    block[at++] = rest;
    block.set(topic, at);
    at += topic.length;
    if (id !== 0) {
      block[at++] = id >> 8;
      block[at++] = id & 0xff;
    }
    block.set(payload, at);
    this.#used = at + payload.length;
  }

  /** Writes out what has gathered. */
  flush(): void {
    const block = this.#block;
    if (block === undefined) return;
    const used = this.#used;
    this.#block = undefined;
    this.#used = 0;
    const socket = this.#socket;
    if (!socket.writable) {
      recycle(block);
      return;
    }
    socket.write(used === block.length ? block : block.subarray(0, used));
    if (socket.writableLength === 0) recycle(block);
    else if (!this.#congested && socket.writableLength > congestedBytes) {
      this.#congested = true;
      socket.once('drain', this.#drained);
    }
  }

  #room(bytes: number): Buffer {
    if (this.#block !== undefined && this.#used + bytes > this.#block.length) this.flush();
    if (this.#block === undefined) {
      this.#block =
        bytes > blockBytes ? Buffer.allocUnsafe(bytes) : (spare.pop() ?? Buffer.allocUnsafeSlow(blockBytes));
      process.nextTick(this.#flushLater);
    }
    return this.#block;
  }
}

function recycle(block: Buffer): void {
  if (block.length === blockBytes && spare.length < 64) spare.push(block);
}
