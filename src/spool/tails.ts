import type { RecordContent } from './record.ts';

/** The end of the row of reports of one machine on one channel. */
export interface Tail {
  readonly channel: string;
  readonly serial: string;
  /** The last sequence given out; undefined when none is known. */
  last: number | undefined;
  /** The last sequence that is on the device. */
  stored: number | undefined;
}

const candidates = 16;

/** The last report of each machine and channel: what the next one names as `previous`. Bounded; the oldest go first. */
export class Tails {
  readonly #limit: number;
  readonly #channels = new Map<string, Map<string, Tail>>();
  #count = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The tail of a machine and channel, a new one when none is known. */
  obtain(channel: string, serial: string): Tail {
    let serials = this.#channels.get(channel);
    if (serials === undefined) {
      serials = new Map();
      this.#channels.set(channel, serials);
    }
    let tail = serials.get(serial);
    if (tail === undefined) {
      tail = { channel, serial, last: undefined, stored: undefined };
      serials.set(serial, tail);
      if (++this.#count > this.#limit) this.#forgetOne(serials);
    }
    return tail;
  }

  /** A report is known to be on the device. */
  restore(channel: string, serial: string, sequence: number): void {
    const tail = this.obtain(channel, serial);
    tail.stored = Math.max(tail.stored ?? 0, sequence);
    tail.last = Math.max(tail.last ?? 0, sequence);
  }

  /** Refused records never were: the one before them, stored or under way, is again the last of its machine. */
  forget(contents: readonly RecordContent[]): void {
    for (const { channel, serial, sequence, previous, movedIn } of contents.toReversed()) {
      const tail = this.#channels.get(channel)?.get(serial);
      if (!movedIn && tail?.last === sequence) tail.last = previous;
    }
  }

  /** What is on the device, as `channel/serial` and sequence. */
  stored(): [string, number][] {
    const result: [string, number][] = [];
    for (const serials of this.#channels.values()) {
      for (const { channel, serial, stored } of serials.values()) {
        if (stored !== undefined) result.push([`${channel}/${serial}`, stored]);
      }
    }
    return result;
  }

  /** Of the first few, the machine that has been silent for longest; one with a report under way is still needed. */
  #forgetOne(serials: Map<string, Tail>): void {
    let oldest: Tail | undefined;
    let looked = 0;
    for (const tail of serials.values()) {
      if (tail.last !== tail.stored || tail.stored === undefined) continue;
      if (oldest === undefined || tail.stored < oldest.stored!) oldest = tail;
      if (++looked === candidates) break;
    }
    if (oldest === undefined) return;
    serials.delete(oldest.serial);
    this.#count--;
  }
}
