/**
 * A spool on a disk that can fail, with the model that knows what it must hold: opened, checked, stopped in any way.
 */
import { silentLogger } from '../../../src/platform/index.ts';
import { type LogName, type LogOptions, type LogReader, Spool, type SpoolOptions } from '../../../src/spool/index.ts';
import type { DecodedRecord } from '../../../src/spool/record.ts';
import { FaultFileSystem } from '../../support/fault-file-system.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { Random } from '../../support/random.ts';
import { demand, Entries, type Entry, logNames, type Place, Violation } from './entries.ts';

export const windowMs = 600_000;
const folder = '/data/spool';

/** Small quotas: in segments, so that rolls, reuse, refusals and evictions are everyday events. */
function makeLogOptions(segmentBytes: number): Readonly<Record<LogName, LogOptions>> {
  return {
    alarm: { quotaBytes: 4 * segmentBytes, whenFull: 'reject', syncEveryMs: 0 },
    state: { quotaBytes: 3 * segmentBytes, whenFull: 'dropOldest', syncEveryMs: 0 },
    process: { quotaBytes: 8 * segmentBytes, whenFull: 'reject', syncEveryMs: 0 },
    bulk: { quotaBytes: 4 * segmentBytes, whenFull: 'dropOldest', syncEveryMs: 200 },
    deferred: { quotaBytes: 4 * segmentBytes, whenFull: 'reject', syncEveryMs: 0 },
    quarantine: { quotaBytes: 3 * segmentBytes, whenFull: 'dropOldest', syncEveryMs: 0 },
    refused: { quotaBytes: 2 * segmentBytes, whenFull: 'dropOldest', syncEveryMs: 0 },
  };
}

export interface Held {
  readonly place: Place;
  readonly record: DecodedRecord;
}

export interface ReaderState {
  readonly reader: LogReader;
  /** The index of the place it gave last. */
  last: number;
  isReading: boolean;
}

export class World {
  readonly random: Random;
  readonly entries = new Entries();
  /** Mostly the smallest; now and then large enough for groups that are written early. */
  readonly segmentBytes: number;
  readonly #logOptions: Readonly<Record<LogName, LogOptions>>;
  fileSystem: FaultFileSystem;
  clock = new ManualClock();
  spool!: Spool;
  /** One long-lived reader per log. */
  readers = new Map<LogName, ReaderState>();
  /** Records that were read and not yet acknowledged or moved. */
  held: Held[] = [];
  /** True time when the present process began, less its monotonic clock. */
  #baseMs = 0;
  #accepted = 0;
  #failure: unknown;
  nextId = 1;
  /** True while calls are made to fail. */
  mayFail = false;
  /** True from a failure of the disk to the next time that the spool could tidy up. */
  isUntidy = false;

  constructor(seed: number, segmentBytes?: number) {
    this.random = new Random(seed);
    this.fileSystem = new FaultFileSystem(this.random);
    this.segmentBytes = segmentBytes ?? this.random.pick([64, 64, 64, 192]) * 1024;
    this.#logOptions = makeLogOptions(this.segmentBytes);
  }

  get nowMs(): number {
    return this.#baseMs + this.clock.monotonicMs();
  }

  /** A new process on what is there; rejects as Spool.open. */
  async open(): Promise<void> {
    const options: SpoolOptions = {
      folder,
      fileSystem: this.fileSystem,
      clock: this.clock,
      logger: silentLogger,
      segmentBytes: this.segmentBytes,
      logs: this.#logOptions,
      compression: this.random.pick(['off', 'off', 'always']),
      repeatWindow: { durationMs: windowMs, capacity: 8192 },
      // The default takes 5 MB of memory at each of the many starts.
      originWindow: { durationMs: 86_400_000, capacity: 8192 },
      indexed: { channel: 'base', lane: 'state' },
      events: { onEvicted: (log, count) => this.entries.evict(log, count) },
    };
    const spool = new Spool(options);
    this.fileSystem.onSyncFailed = (path) => {
      if (path.endsWith('repeats')) for (const entry of this.entries.all.values()) entry.forgettable = true;
    };
    await this.pump(spool.open());
    this.spool = spool;
    this.fileSystem.onTurn = () => {
      try {
        if (!this.fileSystem.isDead) this.checkLedger();
      } catch (error) {
        this.#failure ??= error;
      }
    };
    this.readers = new Map();
    this.held = [];
  }

  /** Opens, reads everything and compares it with what must be there. */
  async reopen(wasClean: boolean): Promise<void> {
    await this.open();
    const found = new Map<LogName, DecodedRecord[]>();
    for (const log of logNames) found.set(log, await this.readAll(log));
    this.entries.adopt(found, wasClean);
    this.check();
    for (const entry of this.entries.all.values()) this.#checkRemembered(entry);
  }

  /** Time passes while no process runs; the next one has a clock of its own. */
  turnOff(offMs: number): void {
    const wallMs = this.clock.wallMs() + offMs;
    this.#baseMs = this.nowMs + offMs;
    this.clock = new ManualClock(wallMs);
  }

  /** The process and perhaps the computer end at once. */
  crash(how: 'kill' | 'power', offMs: number): void {
    this.fileSystem = how === 'kill' ? this.fileSystem.afterKill() : this.fileSystem.afterPowerCut();
    for (const log of logNames) {
      for (const place of this.entries.places(log)) {
        if (place.state === 'issued') place.state = 'doubtful';
        place.moving = false;
      }
    }
    this.turnOff(offMs);
  }

  /** Waits for `work`, letting time pass. */
  async pump<T>(work: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = () => {
      isSettled = true;
    };
    work.then(settle, settle);
    for (let turns = 0; !isSettled; turns++) {
      demand(turns < 20_000, 'something does not end');
      await new Promise((resolve) => setImmediate(resolve));
      if (!isSettled) this.clock.advance(20);
    }
    if (this.#failure !== undefined) throw this.#failure;
    return work;
  }

  /** A violation found where it could not be thrown. */
  note(error: unknown): void {
    this.#failure ??= error;
  }

  async readAll(log: LogName): Promise<DecodedRecord[]> {
    const reader = this.spool.createReader(log);
    const all: DecodedRecord[] = [];
    try {
      for (;;) {
        const records = await this.pump(reader.read(this.random.between(1, 64)));
        if (records.length === 0) return all;
        all.push(...records);
      }
    } finally {
      reader.close();
    }
  }

  /** What holds at every instant. */
  checkLedger(): void {
    const { accepted, delivered, pending, quarantined, evicted } = this.spool.status;
    demand(
      accepted === delivered + pending + quarantined + evicted,
      () => `ledger: ${accepted} ≠ ${delivered} + ${pending} + ${quarantined} + ${evicted}`,
    );
    demand(accepted >= this.#accepted, `accepted went from ${this.#accepted} to ${accepted}`);
    this.#accepted = accepted;
  }

  /** What holds when nothing is under way. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.checkLedger();
    const { status } = this.spool;
    const { accepted } = this.entries;
    demand(status.accepted === accepted, `accepted ${status.accepted}, stored were ${accepted}`);
    for (const log of logNames) {
      const { pending, corrupt } = status.logs[log];
      const open = this.entries.open(log).length;
      demand(pending === open, `${log}: ${pending} pending, should be ${open}`);
      demand(corrupt === 0, `${log}: ${corrupt} counted as damaged`);
      const used = this.fileSystem.usedBytes(`${folder}/${log}`);
      const { quotaBytes } = this.#logOptions[log];
      // A disk that let no file be removed takes a little to be tidied up again.
      if (this.isUntidy) continue;
      demand(used <= quotaBytes + this.segmentBytes + 64 * 1024, `${log} uses ${used} bytes of ${quotaBytes}`);
    }
  }

  /** Reads all logs anew and compares each with the model. */
  async verify(): Promise<void> {
    const { plan } = this.fileSystem;
    this.fileSystem.plan = () => undefined;
    for (const log of logNames) {
      const records = await this.readAll(log);
      const open = this.entries.open(log);
      records.forEach((record, index) => {
        const place = this.entries.compare(log, record);
        this.entries.comparePrevious(record, place.entry);
        demand(place === open[index], `${log}: message ${place.entry.id} instead of ${open[index]?.entry.id}`);
      });
      demand(records.length === open.length, `${log}: ${records.length} records, should be ${open.length}`);
    }
    for (const entry of this.entries.all.values()) this.#checkRemembered(entry);
    this.fileSystem.plan = plan;
  }

  #checkRemembered(entry: Entry): void {
    if (entry.home === 'refused') return;
    const { repeats } = this.spool;
    const found = repeats.find(repeats.digest(entry.report.channel, entry.report.payload));
    if (!entry.stored) {
      demand(found === undefined, `message ${entry.id} is remembered as ${found} and was never stored`);
      return;
    }
    if (this.nowMs - entry.atMs > windowMs - 1000) return;
    if (found === entry.sequence || (entry.forgettable && found === undefined)) return;
    throw new Violation(`message ${entry.id} (${entry.sequence}) of the last minutes is remembered as ${found}`);
  }
}
