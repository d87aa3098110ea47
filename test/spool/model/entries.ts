/**
 * What the spool must hold, kept by the test: every message that was ever handed over, and its places in the logs.
 */
import { type LogName, laneNames, type NewReport } from '../../../src/spool/index.ts';
import type { DecodedRecord } from '../../../src/spool/record.ts';

export const logNames: readonly LogName[] = [...laneNames, 'deferred', 'quarantine', 'refused'];

/** A message. Its payload begins with `id`, by which it is known again. */
export interface Entry {
  readonly id: number;
  readonly home: LogName;
  readonly report: NewReport;
  readonly boot: string;
  readonly wallMs: number;
  readonly monotonicUs: number;
  /** True time in ms, which goes on while the box is off. */
  readonly atMs: number;
  sequence: number | undefined;
  /** It is, or once was, on the device. */
  stored: boolean;
  /** It may be gone: acknowledged or given up. */
  done: boolean;
  /** The disk failed under the file that remembers it: it may be stored again when it is repeated. */
  forgettable: boolean;
}

/**
 * `issued`: handed over, no answer yet. `doubtful`: refused, or never answered; it may be found after a stop. `done`: it
 * may come again after an unclean stop. `gone`: never again.
 */
export type PlaceState = 'issued' | 'open' | 'done' | 'doubtful' | 'gone';

/** An entry in a log. */
export interface Place {
  readonly entry: Entry;
  readonly log: LogName;
  readonly index: number;
  state: PlaceState;
  moving: boolean;
}

export class Violation extends Error {
  override name = 'Violation';
}

export function demand(condition: boolean, message: string | (() => string)): asserts condition {
  if (!condition) throw new Violation(typeof message === 'string' ? message : message());
}

export function idOf(payload: Uint8Array): number {
  return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).readUInt32LE(0);
}

export class Entries {
  readonly all = new Map<number, Entry>();
  readonly #bySequence = new Map<number, Entry>();
  readonly #byKey = new Map<string, Entry[]>();
  #places = new Map<LogName, Place[]>(logNames.map((log) => [log, []]));

  add(entry: Entry): void {
    this.all.set(entry.id, entry);
    if (entry.home === 'refused') return;
    const key = keyOf(entry);
    const list = this.#byKey.get(key);
    if (list === undefined) this.#byKey.set(key, [entry]);
    else list.push(entry);
  }

  places(log: LogName): readonly Place[] {
    return this.#places.get(log)!;
  }

  place(entry: Entry, log: LogName): Place {
    const list = this.#places.get(log)!;
    const place: Place = { entry, log, index: list.length, state: 'issued', moving: false };
    list.push(place);
    return place;
  }

  /** The newest place of a record in a log. */
  find(log: LogName, record: DecodedRecord): Place {
    const id = idOf(record.payload);
    const place = this.#places.get(log)!.findLast((candidate) => candidate.entry.id === id);
    demand(place !== undefined, `${log} holds message ${id}, which was never put there`);
    return place;
  }

  stored(place: Place, sequence: number): void {
    this.sequence(place.entry, sequence);
    place.entry.stored = true;
    if (place.state === 'issued') place.state = 'open';
    // What was refused before it in this log has been passed over for good.
    for (const other of this.#places.get(place.log)!) {
      if (other.index >= place.index) break;
      if (other.state === 'doubtful') other.state = 'gone';
    }
  }

  sequence(entry: Entry, sequence: number): void {
    if (entry.home === 'refused') return;
    demand(
      entry.sequence === undefined || entry.sequence === sequence,
      `message ${entry.id} had ${entry.sequence}, has ${sequence}`,
    );
    const other = this.#bySequence.get(sequence);
    demand(other === undefined || other === entry, `sequence ${sequence} was given to ${other?.id} and to ${entry.id}`);
    entry.sequence = sequence;
    this.#bySequence.set(sequence, entry);
  }

  /** The oldest `count` open records of a log were given up. */
  evict(log: LogName, count: number): void {
    let left = count;
    for (const place of this.#places.get(log)!) {
      if (left === 0) break;
      // What was moved here a moment ago may go before its mover has been told.
      if (place.state !== 'open' && place.state !== 'issued') continue;
      place.state = 'done';
      place.entry.done = true;
      left--;
    }
    demand(left === 0, `${log} gave up ${count} records, ${left} more than it had`);
  }

  /** Checks everything a record says about itself. */
  compare(log: LogName, record: DecodedRecord): Place {
    const place = this.find(log, record);
    const { entry } = place;
    const { report } = entry;
    const where = `message ${entry.id} in ${log}`;
    demand(report.payload.length === record.payload.length && record.payload.equals(report.payload), `${where}: bytes`);
    demand(record.channel === report.channel && record.serial === report.serial, `${where}: channel or serial`);
    demand(record.boot === entry.boot, `${where}: boot ${record.boot}, not ${entry.boot}`);
    demand(record.wallMs === entry.wallMs && record.monotonicUs === entry.monotonicUs, `${where}: time`);
    if (entry.home !== 'refused') this.sequence(entry, record.sequence);
    return place;
  }

  /** The chain of a machine and channel, once it is known which messages are stored. */
  comparePrevious(record: DecodedRecord, entry: Entry): void {
    if (entry.home === 'refused') return;
    const chain = this.#byKey.get(keyOf(entry))!;
    const before = chain.slice(0, chain.indexOf(entry)).findLast((other) => other.stored);
    demand(
      record.previous === before?.sequence,
      () =>
        `message ${entry.id} (${record.sequence}) names ${record.previous} before it, not ${before?.sequence}; ${JSON.stringify(chain.map(({ id, sequence, stored }) => [id, sequence, stored]))}`,
    );
  }

  /** How many accepted messages were ever stored. */
  get accepted(): number {
    let count = 0;
    for (const entry of this.all.values()) if (entry.stored && entry.home !== 'refused') count++;
    return count;
  }

  open(log: LogName): Place[] {
    return this.#places.get(log)!.filter((place) => place.state === 'open');
  }

  /**
   * Takes what a new start found as the truth, after checking it: `found` are the records of each log, in order.
   */
  adopt(found: ReadonlyMap<LogName, readonly DecodedRecord[]>, wasClean: boolean): void {
    const seen = new Map<Entry, LogName>();
    const next = new Map<LogName, Place[]>();
    for (const [log, records] of found) {
      let last = -1;
      const list: Place[] = [];
      for (const record of records) {
        const place = this.compare(log, record);
        const { entry } = place;
        const where = `message ${entry.id} (${entry.sequence}) in ${log}`;
        demand(place.index > last, `${where} is out of order`);
        last = place.index;
        demand(!seen.has(entry), `${where} is also in ${seen.get(entry)}`);
        demand(place.state !== 'gone', `${where} has come back for good reason to be gone`);
        demand(!(wasClean && place.state === 'done'), `${where} was done before a clean stop`);
        seen.set(entry, log);
        entry.stored = true;
        entry.done = false;
        list.push({ entry, log, index: list.length, state: 'open', moving: false });
      }
      next.set(log, list);
    }
    for (const entry of this.all.values()) {
      if (seen.has(entry) || !entry.stored || entry.done) continue;
      throw new Violation(`message ${entry.id} (${entry.sequence}) of ${entry.home} was stored and is missing`);
    }
    this.#places = next;
    for (const records of found.values()) {
      for (const record of records) this.comparePrevious(record, this.all.get(idOf(record.payload))!);
    }
  }
}

function keyOf({ report }: Entry): string {
  return `${report.channel}/${report.serial}`;
}
