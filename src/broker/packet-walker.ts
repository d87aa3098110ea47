/** Types of MQTT packets that are told apart before aedes sees them. */
export const packetType = { connect: 1, publish: 3, puback: 4, subscribe: 8 } as const;

/**
 * The length of the packet that begins at `at`, its fixed header included. 0 when its header goes on beyond the
 * buffer, -1 when its length is written with more than four bytes.
 */
export function lengthOfPacket(buffer: Uint8Array, at: number): number {
  let length = 0;
  for (let index = 1; index <= 4; index++) {
    const byte = buffer[at + index];
    if (byte === undefined) return 0;
    length += (byte & 127) << (7 * (index - 1));
    if (byte < 128) return 1 + index + length;
  }
  return -1;
}

const nothing: Buffer[] = [];

/** Who decides about packets. */
export interface PacketSink {
  /** True when no further packet is to be looked at for now; the rest waits for the next `run`. */
  isStopped(): boolean;
  /** Checks a packet by its first byte and whole length (-1: malformed); after false the connection is closed. */
  admit(first: number, total: number): boolean;
  /** Whether a packet with this first byte is needed whole, for `take`. */
  isTaken(first: number): boolean;
  /** Handles a whole packet; false when it is to pass after all. */
  take(buffer: Buffer, at: number, total: number): boolean;
  /** A packet with this first byte begins to pass. */
  willPass(first: number): void;
  /** A part of what passes: of one packet, of several, or of a piece of one. */
  pass(part: Buffer): void;
  /** All of that packet has passed. */
  passed(): void;
}

/**
 * Walks over a stream of MQTT packets that comes in chunks. What passes does so as parts of the chunks; only a packet
 * that is needed whole and came in pieces is copied.
 */
export class PacketWalker {
  readonly #sink: PacketSink;
  /** What was read and not yet looked at. */
  #input: Buffer | undefined;
  #at = 0;
  /** The beginning of a packet that is needed whole, and its length (0: not known yet). */
  #held = nothing;
  #heldBytes = 0;
  #heldNeeds = 0;
  /** Bytes of the present packet that are still to pass. */
  #passing = 0;

  constructor(sink: PacketSink) {
    this.#sink = sink;
  }

  /** True when everything that was added has been looked at. */
  get isIdle(): boolean {
    return this.#input === undefined;
  }

  /** Adds a chunk; it is looked at by `run`. */
  add(chunk: Buffer): void {
    this.#input = this.#input === undefined ? chunk : Buffer.concat([this.#input.subarray(this.#at), chunk]);
    this.#at = 0;
  }

  /** Goes on until the end of the input or until the sink stops it. */
  run(): void {
    while (this.#input !== undefined && !this.#sink.isStopped()) {
      if (this.#heldBytes > 0) this.#continueHeld();
      else this.#walk();
      if (this.#input !== undefined && this.#at >= this.#input.length) this.#input = undefined;
    }
  }

  /** Forgets everything. */
  drop(): void {
    this.#input = undefined;
    this.#dropHeld();
  }

  /** Looks at the packets of the input one after the other; what lies between those taken out passes as one part. */
  #walk(): void {
    const sink = this.#sink;
    const input = this.#input!;
    const { length } = input;
    let passFrom = this.#at;
    let at = Math.min(length, passFrom + this.#passing);
    this.#passing -= at - passFrom;
    if (this.#passing === 0) sink.passed();
    while (at < length && !sink.isStopped()) {
      const total = lengthOfPacket(input, at);
      if (total !== 0 && !sink.admit(input[at]!, total)) return;
      if (total === 0 || (at + total > length && sink.isTaken(input[at]!))) {
        // The end of the chunk is the beginning of a packet that is needed whole.
        this.#pass(input, passFrom, at);
        this.#held = [input.subarray(at)];
        this.#heldBytes = length - at;
        this.#heldNeeds = total;
        this.#at = length;
        return;
      }
      if (sink.isTaken(input[at]!) && sink.take(input, at, total)) {
        this.#pass(input, passFrom, at);
        at += total;
        passFrom = at;
      } else {
        sink.willPass(input[at]!);
        const end = Math.min(length, at + total);
        this.#passing = total - (end - at);
        at = end;
        if (this.#passing === 0) sink.passed();
      }
    }
    this.#pass(input, passFrom, at);
    this.#at = at;
  }

  /** Completes a packet whose beginning came in an earlier chunk; only its own bytes are copied. */
  #continueHeld(): void {
    const sink = this.#sink;
    const input = this.#input!;
    if (this.#heldNeeds === 0) {
      const head = Buffer.concat([...this.#held, input.subarray(this.#at, this.#at + 5)]);
      const total = lengthOfPacket(head, 0);
      if (total !== 0 && !sink.admit(head[0]!, total)) return;
      this.#heldNeeds = total;
      if (total > 0 && !sink.isTaken(head[0]!)) {
        const held = this.#held;
        this.#dropHeld();
        sink.willPass(head[0]!);
        for (const part of held) this.#pass(part, 0, part.length);
        this.#passing = total - held.reduce((bytes, part) => bytes + part.length, 0);
        return;
      }
    }
    const wanted = this.#heldNeeds === 0 ? input.length : this.#heldNeeds - this.#heldBytes;
    const part = input.subarray(this.#at, this.#at + wanted);
    this.#held.push(part);
    this.#heldBytes += part.length;
    this.#at += part.length;
    if (this.#heldNeeds === 0 || this.#heldBytes < this.#heldNeeds) return;
    const packet = Buffer.concat(this.#held, this.#heldBytes);
    this.#dropHeld();
    if (sink.take(packet, 0, packet.length)) return;
    sink.willPass(packet[0]!);
    this.#pass(packet, 0, packet.length);
    sink.passed();
  }

  #dropHeld(): void {
    this.#held = nothing;
    this.#heldBytes = 0;
    this.#heldNeeds = 0;
  }

  #pass(buffer: Buffer, from: number, to: number): void {
    if (from < to) this.#sink.pass(from === 0 && to === buffer.length ? buffer : buffer.subarray(from, to));
  }
}
