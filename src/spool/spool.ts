/**
 * The spool: every report that the gateway has accepted and the centre does not have yet.
 *
 * Promises: an append that resolves is on the device (fdatasync); it stays until `acknowledge`; what is done is never
 * ahead of the truth on disk, so a crash costs repeats and never a report; and
 * accepted = delivered + pending + quarantined + evicted, whenever one looks.
 *
 * One log per lane, and three beside them (`deferred`, `quarantine`, `refused`). One sequence counts over all lanes.
 * Memory does not grow with the backlog. Failures: an append that cannot be stored rejects and leaves nothing half
 * there; everything else that fails is logged, counted and tried again.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { describeError, HoldfastError } from '../errors.ts';
import { type Logger, syncFolders, type Timer } from '../platform/index.ts';
import { Ballast } from './ballast.ts';
import { readCheckpoint } from './checkpoint.ts';
import { Checkpoints } from './checkpoints.ts';
import type { Outcome } from './cursor-file.ts';
import { DamageKeeper } from './damage.ts';
import { IndexedReports } from './indexed-reports.ts';
import { Log } from './log.ts';
import type { LogReader } from './log-reader.ts';
import { Moves } from './moves.ts';
import { Origins } from './origins.ts';
import { PendingIndex } from './pending-index.ts';
import type { DecodedRecord, RecordContent, RecordPosition } from './record.ts';
import { RepeatWindow } from './repeat-window.ts';
import type { SpoolOptions } from './spool-options.ts';
import { hasLost, type LogStatus, type SpoolStatus, sumUp } from './status.ts';
import { Tails } from './tails.ts';
import { asideNames, type LaneName, type LogName, laneNames, type NewReport, type ReportFate } from './types.ts';
import type { LogVerification } from './verification.ts';
import { WindowTime } from './window-time.ts';

const saveEveryMs = 500;
const defaultOriginWindow = { durationMs: 86_400_000, capacity: 262_144 };

export class Spool {
  readonly #options: SpoolOptions;
  readonly #logger: Logger;
  readonly #logs = new Map<LogName, Log>();
  readonly #moves = new Moves(this.#logs);
  readonly #damage: DamageKeeper;
  readonly #ballast: Ballast;
  readonly #index = new PendingIndex(10_000);
  readonly #indexed: IndexedReports;
  readonly #boot = randomBytes(8).toString('hex');
  readonly #tails: Tails;
  readonly #time: WindowTime;
  readonly #checkpoints: Checkpoints;
  readonly #counters: Record<string, number> = {};
  readonly repeats: RepeatWindow;
  /** What became of reports that have an `origin`. */
  readonly origins: Origins;
  #nextSequence = 1;
  #writtenBytes = 0;
  #timer: Timer | undefined;
  #state: 'new' | 'open' | 'closed' = 'new';

  constructor(options: SpoolOptions) {
    this.#options = options;
    this.#tails = new Tails(options.machines ?? 20_000);
    this.#logger = options.logger.child({ part: 'spool' });
    this.#time = new WindowTime(options.clock);
    this.#ballast = new Ballast(options.fileSystem, options.folder);
    this.#damage = new DamageKeeper(options.fileSystem, join(options.folder, 'damaged'));
    this.repeats = new RepeatWindow({
      fileSystem: options.fileSystem,
      folder: options.folder,
      name: 'repeats',
      capacity: options.repeatWindow.capacity,
      windowMs: options.repeatWindow.durationMs,
      nowMs: () => this.#time.nowMs(),
    });
    this.origins = new Origins({
      fileSystem: options.fileSystem,
      folder: options.folder,
      ...(options.originWindow ?? defaultOriginWindow),
      nowMs: () => this.#time.nowMs(),
    });
    for (const name of [...laneNames, ...asideNames]) this.#logs.set(name, this.#createLog(name));
    this.#indexed = new IndexedReports({
      index: this.#index,
      log: this.#log(options.indexed.lane),
      channel: options.indexed.channel,
      logger: this.#logger,
    });
    this.#checkpoints = new Checkpoints({
      fileSystem: options.fileSystem,
      folder: options.folder,
      clock: options.clock,
      logger: this.#logger,
      ballast: this.#ballast,
      logs: this.#logs,
      repeats: this.repeats,
      origins: this.origins,
      state: () => ({ windowMs: this.#time.nowMs(), last: this.#tails.stored(), counters: this.#counters }),
      nextSequence: () => this.#nextSequence,
    });
  }

  /** 16 hex digits, drawn anew for each start: part of every message id. */
  get boot(): string {
    return this.#boot;
  }

  /** The sequence that the next appended report gets. */
  get nextSequence(): number {
    return this.#nextSequence;
  }

  /** Not open yet: there is no status either. */
  get isNew(): boolean {
    return this.#state === 'new';
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /**
   * Recovers everything and makes ready for appends. The folder must be locked by the caller (lock.ts).
   *
   * @throws HoldfastError `spool-version`; what the file system throws.
   */
  async open(): Promise<void> {
    if (this.#state !== 'new') return;
    const { fileSystem, folder, clock } = this.#options;
    fileSystem.makeFolder(folder);
    const checkpoint = readCheckpoint(fileSystem, folder);
    const from = checkpoint?.nextSequence ?? 0;
    this.#time.restore(checkpoint, Math.max(this.repeats.open(from), this.origins.open(from)));
    for (const [key, sequence] of checkpoint?.last ?? []) {
      const slash = key.indexOf('/');
      this.#tails.restore(key.slice(0, slash), key.slice(slash + 1), sequence);
    }
    // Some may have been counted while the box starts.
    for (const [reason, count] of Object.entries(checkpoint?.counters ?? {})) this.count(reason, count);
    const wallMs = clock.wallMs();
    for (const [name, log] of this.#logs) {
      const known = checkpoint?.epochs[name] ?? 0;
      const next = await log.open(known, (record) => this.#recover(name, record, wallMs));
      this.#nextSequence = Math.max(this.#nextSequence, next);
      this.#checkpoints.restore(name, known);
    }
    this.repeats.endRecovery();
    this.origins.endRecovery();
    await syncFolders(fileSystem, folder, this.#logger);
    await this.#moves.reconcile();
    this.#state = 'open';
    this.#timer = clock.every(saveEveryMs, () => this.#save());
    this.#indexed.build();
  }

  /**
   * Resolves with the sequence once the report is on the device. Reports of one lane are stored in the order of the
   * calls. Rejects with `spool-full`, `spool-write-failed`, `spool-record-too-large` or `spool-closed`: not stored then.
   */
  append(lane: LaneName, report: NewReport): Promise<number> {
    if (this.#state !== 'open') return Promise.reject(new HoldfastError('spool-closed', 'the spool is not open'));
    const { clock, indexed } = this.#options;
    const tail = this.#tails.obtain(report.channel, report.serial);
    const sequence = this.#nextSequence++;
    const content: RecordContent = {
      channel: report.channel,
      serial: report.serial,
      payload: report.payload,
      sequence,
      previous: tail.last,
      boot: this.#boot,
      monotonicUs: Math.floor(clock.monotonicMs() * 1000),
      wallMs: Math.max(0, Math.floor(clock.wallMs())),
      clockTrusted: clock.isTrusted(),
      movedIn: false,
      reason: undefined,
      origin: report.origin,
    };
    tail.last = sequence;
    const isIndexed = lane === indexed.lane && report.channel === indexed.channel;
    return new Promise((resolve, reject) => {
      this.#log(lane).enqueue(
        content,
        (ordinal) => {
          tail.stored = sequence;
          if (isIndexed) this.#index.add(report.serial, ordinal);
          resolve(sequence);
        },
        reject,
      );
    });
  }

  /** Keeps a copy of a message that is not accepted, and why. Resolves when it is on the device; errors as `append`. */
  async keepRefused(message: NewReport, reason: string): Promise<void> {
    if (this.#state !== 'open') throw new HoldfastError('spool-closed', 'the spool is not open');
    const { clock } = this.#options;
    await this.#log('refused').append({
      ...message,
      sequence: 0,
      previous: undefined,
      boot: this.#boot,
      monotonicUs: Math.floor(clock.monotonicMs() * 1000),
      wallMs: Math.max(0, Math.floor(clock.wallMs())),
      clockTrusted: clock.isTrusted(),
      movedIn: true,
      reason,
      origin: undefined,
    });
  }

  /** A walk over the open records of a log, from the oldest. */
  createReader(log: LogName): LogReader {
    return this.#log(log).createReader();
  }

  /** Reads a record again; undefined when it is gone (done, evicted) or cannot be read. */
  readAt(log: LogName, position: RecordPosition): Promise<DecodedRecord | undefined> {
    return this.#log(log).readAt(position);
  }

  /** Out of turn: the open report with this sequence, and its log; undefined when no lane has it. */
  async take(sequence: number): Promise<{ log: LogName; record: DecodedRecord } | undefined> {
    for (const name of [...laneNames, 'deferred', 'quarantine'] as const) {
      const record = await this.#log(name).find(sequence);
      if (record) return { log: name, record };
    }
    // The one way that leads back: meanwhile it may have been sent on from the quarantine.
    const again = await this.#log('deferred').find(sequence);
    return again && { log: 'deferred', record: again };
  }

  /**
   * What became of the report that was accepted under that name in the last 24 h; undefined when there was none.
   * `given-up` for want of room, or lost by the disk; where that has happened and a power cut took what was noted last,
   * also of one that the centre may have. Reads up to a segment of each log where it is not noted.
   */
  async fateOf(origin: string): Promise<{ readonly sequence: number; readonly fate: ReportFate } | undefined> {
    const known = this.origins.find(origin);
    if (known === undefined) return undefined;
    const { sequence, isSettled } = known;
    if (isSettled) return { sequence, fate: 'delivered' };
    const place = await this.take(sequence);
    if (place !== undefined) return { sequence, fate: place.log === 'quarantine' ? 'quarantined' : 'waiting' };
    return { sequence, fate: this.origins.find(origin)?.isSettled || !hasLost(this.#logs) ? 'delivered' : 'given-up' };
  }

  /** The waiting reports of a machine on the indexed channel, in order, wherever in the backlog they stand. */
  pendingOf(serial: string): Promise<DecodedRecord[]> {
    return this.#indexed.of(serial);
  }

  /** Marks a record as done; false when it was already (evicted, or moved). Never ahead of the truth. */
  acknowledge(log: LogName, ordinal: number, outcome: Outcome = 'delivered'): boolean {
    const isNew = this.#log(log).acknowledge(ordinal, outcome);
    if (isNew && log === this.#options.indexed.lane) this.#index.remove(ordinal);
    return isNew;
  }

  isDone(log: LogName, ordinal: number): boolean {
    return this.#log(log).isDone(ordinal);
  }

  /**
   * Moves records, in order, to another log with their identity; resolves when that is on the device and the log that
   * they came from knows it. Until then they cannot be acknowledged. Rejects as `append`; then those that `isDone` does
   * not know as done are where they were. `onMoved` is told of each that has changed its place; one that was done by
   * then has not.
   */
  async move(
    from: LogName,
    records: readonly DecodedRecord[],
    to: LogName,
    reason: string | undefined,
    onMoved?: (record: DecodedRecord) => void,
  ): Promise<void> {
    await this.#moves.move(from, records, to, reason, (record, ordinal) => {
      onMoved?.(record);
      if (to === 'quarantine' && record.origin !== undefined) this.#options.events?.onQuarantined?.(record.origin);
      const { lane, channel } = this.#options.indexed;
      if (from === lane) this.#index.remove(record.ordinal);
      if (to === lane && record.channel === channel) this.#index.add(record.serial, ordinal);
    });
  }

  /** Milliseconds on a clock that goes on over restarts and does not jump with the wall clock. */
  get windowMs(): number {
    return this.#time.nowMs();
  }

  /** Reads every segment of every log through; see `LogVerification`. */
  async verify(): Promise<Record<LogName, LogVerification>> {
    const results: Partial<Record<LogName, LogVerification>> = {};
    for (const [name, log] of this.#logs) results[name] = await log.verify();
    return results as Record<LogName, LogVerification>;
  }

  /** Counts something that was not accepted; the totals survive restarts. */
  count(reason: string, times = 1): void {
    this.#counters[reason] = (this.#counters[reason] ?? 0) + times;
  }

  get status(): SpoolStatus {
    const logs = Object.fromEntries([...this.#logs].map(([name, log]) => [name, log.status])) as Record<
      LogName,
      LogStatus
    >;
    return {
      ...sumUp(logs),
      writtenBytes: this.#writtenBytes,
      forgottenEarly: this.repeats.forgottenEarly + this.origins.forgottenEarly,
      nextSequence: this.#nextSequence,
      counters: { ...this.#counters },
    };
  }

  /** Gives back the memory that a burst has left; for a quiet moment. */
  giveBack(): void {
    for (const log of this.#logs.values()) log.giveBack();
  }

  /** Writes what waits, saves everything, closes all files. Appends are refused from now on. */
  async close(): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'closed';
    this.#timer?.cancel();
    await this.#indexed.settle();
    await Promise.all([...this.#logs.values()].map((log) => log.close()));
    await this.#checkpoints.finish();
    this.repeats.close();
    this.origins.close();
  }

  #log(name: LogName): Log {
    return this.#logs.get(name)!;
  }

  #createLog(name: LogName): Log {
    const { folder, fileSystem, clock, segmentBytes, logs, events } = this.#options;
    return new Log({
      name,
      folder: join(folder, name),
      fileSystem,
      clock,
      logger: this.#logger,
      options: logs[name],
      segmentBytes,
      freeReserveBytes: this.#options.freeReserveBytes ?? 0,
      compression: this.#options.compression ?? 'off',
      host: {
        nextSequence: () => this.#nextSequence,
        beforeReuse: (log, epoch) => this.#checkpoints.cover(log, epoch),
        beforeCursor: () => this.origins.flush(),
        settleMoves: () => this.#moves.settle(),
        onWritten: (log, bytes) => {
          this.#writtenBytes += bytes;
          events?.onStored?.(log);
        },
        onRefused: (contents) => this.#tails.forget(contents),
        onEvicted: (log, count, endOrdinal) => {
          if (log === this.#options.indexed.lane) this.#index.removeBefore(endOrdinal);
          this.#logger.warn({ log, count }, 'gave up the oldest reports: the quota of the lane is used up');
          events?.onEvicted?.(log, count);
        },
        onDamage: (log, path, damage, count) => {
          const kept = damage === undefined ? undefined : this.#damage.keep(log, path, damage);
          this.#logger.error({ log, path, ...damage, count, kept }, 'a part of the spool cannot be read');
          events?.onDamage?.(log, path, count);
        },
        onSegmentStarted: () => this.#checkpoints.onSegmentStarted(),
      },
    });
  }

  #recover(log: LogName, record: DecodedRecord, wallMs: number): void {
    if (record.movedIn || log === 'refused') return;
    this.#tails.restore(record.channel, record.serial, record.sequence);
    // Without a clock that can be trusted the age is not known: then it is remembered for longer rather than forgotten.
    const isKnown = record.clockTrusted && this.#options.clock.isTrusted();
    const age = isKnown ? Math.max(0, wallMs - record.wallMs) : 0;
    const atMs = Math.max(0, this.#time.nowMs() - age);
    if (record.origin !== undefined) this.origins.recover(record.origin, record.sequence, age, atMs);
    else if (age <= this.#options.repeatWindow.durationMs) this.repeats.recover(record, atMs);
  }

  #save(): void {
    this.#ballast.restore();
    for (const log of this.#logs.values()) {
      log.reconsider();
      log.saveCursor();
    }
    for (const log of this.#logs.values()) {
      log.trim().catch((error: unknown) => {
        this.#logger.warn({ error: describeError(error) }, 'cannot remove segments that are not needed');
      });
    }
  }
}
