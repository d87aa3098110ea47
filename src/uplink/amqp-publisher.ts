import type { ConfirmChannel } from 'amqplib';
import { PublishFrames } from './amqp-frames.ts';
import type { OutgoingReport } from './transport.ts';

/** What the broker says of a report that it was given: it has it safe, or it did not take it. */
export type OnSettled = (messageId: string, bytes: number, taken: boolean) => void;

/** A piece of memory for the frames of many reports; one report that is larger gets its own. */
const chunkBytes = 64 * 1024;

interface Unsettled {
  readonly messageId: string;
  readonly bytes: number;
}

/**
 * Publishes reports on a confirm channel of amqplib, in frames of our own making, and matches its confirms.
 *
 * Invariants: only this class publishes on the channel, so that the n-th report has delivery tag n; frames of a report
 * are written in one piece of its channel's order; what is written in one turn of the event loop leaves in one write.
 * Failure behaviour: does nothing once the channel is closed; its owner learns that from the channel itself.
 */
export class AmqpPublisher {
  readonly #frames: PublishFrames;
  readonly #onSettled: OnSettled;
  readonly #channelNumber: number;
  readonly #connection: LibraryConnection;
  /** Reports that no confirm has come for, by delivery tag. */
  readonly #unsettled = new Map<number, Unsettled>();
  #chunk = Buffer.alloc(0);
  #start = 0;
  #end = 0;
  #lastTag = 0;
  #oldestTag = 1;
  #hasRoom = true;
  #flushing = false;

  /** Takes over publishing on `channel`. Throws a TypeError when the library is not of the version it is made for. */
  constructor(
    channel: ConfirmChannel,
    { appId, replyTo, onSettled }: { appId: string; replyTo: string | undefined; onSettled: OnSettled },
  ) {
    const { ch, connection } = internals(channel);
    this.#channelNumber = ch;
    this.#connection = connection;
    this.#onSettled = onSettled;
    this.#frames = new PublishFrames({ channelNumber: ch, frameMax: connection.frameMax, appId, replyTo });
    channel.on('drain', () => {
      this.#hasRoom = true;
    });
    channel.on('ack', (fields: Confirm) => this.#onConfirm(fields, true));
    channel.on('nack', (fields: Confirm) => this.#onConfirm(fields, false));
  }

  /** Hands over a report. False: taken, but wait for the channel's `drain` before the next. */
  publish(report: OutgoingReport): boolean {
    const room = this.#frames.room(report);
    if (this.#end + room > this.#chunk.length) {
      this.#flush();
      this.#chunk = Buffer.allocUnsafeSlow(Math.max(room, chunkBytes));
      this.#start = 0;
      this.#end = 0;
    }
    this.#end = this.#frames.write(report, this.#chunk, this.#end);
    this.#unsettled.set(++this.#lastTag, { messageId: report.messageId, bytes: report.body.length });
    if (!this.#flushing) {
      this.#flushing = true;
      queueMicrotask(() => {
        this.#flushing = false;
        this.#flush();
      });
    }
    return this.#hasRoom;
  }

  #flush(): void {
    if (this.#start === this.#end) return;
    const bytes = this.#chunk.subarray(this.#start, this.#end);
    this.#start = this.#end;
    const open = this.#connection.channels[this.#channelNumber];
    if (!open?.buffer.writable) return;
    this.#connection.sentSinceLastCheck = true;
    this.#hasRoom = open.buffer.write(bytes);
  }

  #onConfirm({ deliveryTag, multiple }: Confirm, taken: boolean): void {
    if (multiple) for (let tag = this.#oldestTag; tag < deliveryTag; tag++) this.#settle(tag, taken);
    this.#settle(deliveryTag, taken);
    while (this.#oldestTag <= this.#lastTag && !this.#unsettled.has(this.#oldestTag)) this.#oldestTag++;
  }

  #settle(tag: number, taken: boolean): void {
    const report = this.#unsettled.get(tag);
    if (report === undefined) return;
    this.#unsettled.delete(tag);
    this.#onSettled(report.messageId, report.bytes, taken);
  }
}

interface Confirm {
  readonly deliveryTag: number;
  readonly multiple: boolean;
}

/** What of amqplib 2.3 is used beyond its documentation; package.json pins the version. */
interface LibraryConnection {
  readonly frameMax: number;
  readonly channels: Readonly<
    Record<number, { readonly buffer: { readonly writable: boolean; write(bytes: Buffer): boolean } } | null>
  >;
  sentSinceLastCheck: boolean;
}

function internals(channel: ConfirmChannel): { ch: number; connection: LibraryConnection } {
  const { ch, connection } = channel as unknown as { ch?: unknown; connection?: LibraryConnection };
  if (typeof ch !== 'number' || typeof connection?.frameMax !== 'number' || !connection.channels[ch]) {
    throw new TypeError('amqplib is not of the version that package.json pins; run npm ci');
  }
  return { ch, connection };
}
