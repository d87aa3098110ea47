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
  /** Logs that gave up records, perhaps not yet durably, and logs that wait for that. */
  readonly #sources = new Set<Log>();
  readonly #targets = new Set<Log>();

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
    for (const source of this.#sources) {
      await source.syncCursor();
      if (!source.isStoredWhole) return;
    }
    for (const target of this.#targets) target.markReconciled();
  }

  /** After a start: a record that stands in two logs is given up by the one that it came from. */
  async reconcile(): Promise<void> {
    for (const [name, target] of this.#logs) {
      if (name === 'refused' || !target.hasUnreconciled) continue;
      const moved = await target.unreconciled();
      for (const [source, log] of this.#logs) {
        if (source === name || source === 'refused' || moved.size === 0) continue;
        const reader = log.createReader();
        try {
          for (let records = await reader.read(1024); records.length > 0; records = await reader.read(1024)) {
            for (const { sequence, ordinal } of records) if (moved.has(sequence)) log.acknowledge(ordinal, 'moved');
          }
        } finally {
          reader.close();
        }
        this.#sources.add(log);
      }
      this.#targets.add(target);
      await this.settle();
    }
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
    const open = records.filter((record) => !source.isDone(record.ordinal));
    if (source === target || open.length === 0) return;
    this.#sources.add(source);
    this.#targets.add(target);
    let failed: PromiseRejectedResult | undefined;
    const ordinals = open.map(({ ordinal }) => ordinal);
    await source.whileMoving(ordinals, async () => {
      const stored = await Promise.allSettled(
        open.map(async (record) => {
          const ordinal = await target.append({ ...contentOf(record), movedIn: true, reason });
          source.acknowledge(record.ordinal, 'moved');
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
  const { channel, serial, payload, sequence, previous, boot, monotonicUs, wallMs, clockTrusted, movedIn, reason } =
    record;
  return { channel, serial, payload, sequence, previous, boot, monotonicUs, wallMs, clockTrusted, movedIn, reason };
}
