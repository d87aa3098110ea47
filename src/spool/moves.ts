/**
 * Moves records from one log to another: lanes to `deferred` and `quarantine`, and back.
 *
 * A record is first on the device in its new log; then the log that it came from gives it up, durably; and only then
 * the new one takes it as its own (`reconciled`). A crash in between leaves it in both: at the next start the log that
 * it came from gives it up. One move is under way at a time, so that "everything moved in so far" is a clear thing.
 */
import type { Log } from './log.ts';
import type { DecodedRecord, RecordContent } from './record.ts';
import type { LogName } from './types.ts';

export class Moves {
  readonly #logs: ReadonlyMap<LogName, Log>;
  #last: Promise<void> = Promise.resolve();
  /** Logs that gave up records, perhaps not yet durably. */
  readonly #sources = new Set<Log>();
  /** Logs that wait for that, and the ordinal before which everything moved in has been given up. */
  readonly #targets = new Map<Log, number>();

  constructor(logs: ReadonlyMap<LogName, Log>) {
    this.#logs = logs;
  }

  /** See Spool.move; `onMoved` is told each record's new ordinal. */
  move(
    from: LogName,
    records: readonly DecodedRecord[],
    to: LogName,
    reason: string | undefined,
    onMoved: (record: DecodedRecord, ordinal: number) => void,
  ): Promise<void> {
    const result = this.#last.then(() => this.#move(from, records, to, reason, onMoved));
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Resolves when the logs that records came from have given up durably all that was moved so far. */
  async settle(): Promise<void> {
    const targets = [...this.#targets];
    for (const source of [...this.#sources]) {
      await source.syncCursor();
      if (!source.isStoredWhole) return;
    }
    for (const [target, ordinal] of targets) {
      target.markReconciled(ordinal);
      if (this.#targets.get(target) === ordinal) this.#targets.delete(target);
    }
    if (this.#targets.size === 0) this.#sources.clear();
  }

  /** After a start: of a record that stands in several logs one place is kept, and the others give it up. */
  async reconcile(): Promise<void> {
    const keepers = new Map<number, Log>();
    for (const [name, target] of this.#logs) {
      if (name === 'refused' || !target.hasUnreconciled) continue;
      for (const { sequence, isDone } of await target.unreconciled()) {
        // Done here, it must not come again from where it was before; but never because it was given up here.
        if (!isDone || !keepers.has(sequence)) keepers.set(sequence, target);
      }
      this.#targets.set(target, target.nextOrdinal);
    }
    if (keepers.size > 0) {
      for (const [name, log] of this.#logs) if (name !== 'refused') await this.#giveUp(log, keepers);
    }
    await this.settle();
  }

  async #giveUp(log: Log, keepers: ReadonlyMap<number, Log>): Promise<void> {
    await log.createReader().walk(({ sequence, ordinal }) => {
      const keeper = keepers.get(sequence);
      if (keeper !== undefined && keeper !== log) log.acknowledge(ordinal, 'moved');
    });
    this.#sources.add(log);
  }

  async #move(
    from: LogName,
    records: readonly DecodedRecord[],
    to: LogName,
    reason: string | undefined,
    onMoved: (record: DecodedRecord, ordinal: number) => void,
  ): Promise<void> {
    const source = this.#logs.get(from)!;
    const target = this.#logs.get(to)!;
    if (source === target || records.every((record) => source.isDone(record.ordinal))) return;
    // No record may be on its way to a third log while the second is not known, durably, to have it from the first:
    // else a start could not tell which place stands.
    await this.settle();
    await source.syncCursor();
    // While the disk was waited for some may have been acknowledged, or given up for room.
    const open = records.filter((record) => !source.isDone(record.ordinal));
    if (open.length === 0) return;
    let failed: PromiseRejectedResult | undefined;
    const ordinals = open.map(({ ordinal }) => ordinal);
    await source.whileMoving(ordinals, async () => {
      const stored = await Promise.allSettled(
        open.map(async (record) => {
          const ordinal = await target.append({ ...contentOf(record), movedIn: true, reason });
          source.acknowledge(record.ordinal, 'moved');
          this.#sources.add(source);
          this.#targets.set(target, ordinal + 1);
          onMoved(record, ordinal);
        }),
      );
      failed = stored.find((result) => result.status === 'rejected');
    });
    await this.settle();
    if (failed) throw failed.reason;
  }
}

function contentOf(record: DecodedRecord): RecordContent {
  const { channel, serial, payload, origin, sequence, previous, boot, monotonicUs, wallMs, clockTrusted } = record;
  const { movedIn, reason } = record;
  return {
    channel,
    serial,
    payload,
    origin,
    sequence,
    previous,
    boot,
    monotonicUs,
    wallMs,
    clockTrusted,
    movedIn,
    reason,
  };
}
