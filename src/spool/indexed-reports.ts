import { describeError } from '../errors.ts';
import type { Logger } from '../platform/index.ts';
import type { Log } from './log.ts';
import type { PendingIndex } from './pending-index.ts';
import type { DecodedRecord } from './record.ts';

/** The waiting reports of the indexed channel by machine: from the index, or by a walk over the lane where it has gaps. */
export class IndexedReports {
  readonly #index: PendingIndex;
  readonly #log: Log;
  readonly #channel: string;
  readonly #logger: Logger;
  #building: Promise<void> | undefined;

  constructor(options: { index: PendingIndex; log: Log; channel: string; logger: Logger }) {
    this.#index = options.index;
    this.#log = options.log;
    this.#channel = options.channel;
    this.#logger = options.logger;
  }

  /** Begins to read what the lane holds at start. */
  build(): void {
    this.#building = this.#build();
  }

  /** Resolves when the lane has been read. */
  async settle(): Promise<void> {
    await this.#building;
  }

  /** Those of one machine, in order, wherever in the backlog they stand. */
  async of(serial: string): Promise<DecodedRecord[]> {
    await this.#building;
    const found: DecodedRecord[] = [];
    if (!this.#index.isComplete(this.#log.cursor)) {
      await this.#log.createReader().walk((record) => {
        if (record.channel === this.#channel && record.serial === serial) found.push(record);
      });
      return found;
    }
    for (const ordinal of this.#index.of(serial)) {
      if (this.#log.isDone(ordinal)) {
        this.#index.remove(ordinal);
        continue;
      }
      const reader = this.#log.createReader(ordinal);
      try {
        const [record] = await reader.read(1);
        if (record?.ordinal === ordinal) found.push(record);
      } finally {
        reader.close();
      }
    }
    return found;
  }

  async #build(): Promise<void> {
    try {
      await this.#log.createReader().walk((record) => {
        if (record.channel === this.#channel && !this.#log.isDone(record.ordinal)) {
          this.#index.add(record.serial, record.ordinal);
        }
      });
    } catch (error) {
      this.#logger.error({ error: describeError(error) }, 'cannot index the waiting base information');
    }
  }
}
