import { describeError } from '../errors.ts';
import type { Clock, Logger } from '../platform/index.ts';
import type { DecodedRecord, LaneName, LogReader, Spool } from '../spool/index.ts';

const readAhead = 128;
const retryMs = 1000;

/** The next reports of one lane, read ahead a little. */
export class LaneQueue {
  readonly name: LaneName;
  readonly weight: number;
  /** Reports that may still be taken in this round. */
  credit = 0;
  readonly #spool: Spool;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #onReady: () => void;
  #reader: LogReader | undefined;
  #records: DecodedRecord[] = [];
  #index = 0;
  #reading = false;
  #again = false;
  #stopped = false;

  constructor(options: {
    name: LaneName;
    weight: number;
    spool: Spool;
    clock: Clock;
    logger: Logger;
    /** There is something to take. */
    onReady: () => void;
  }) {
    this.name = options.name;
    this.weight = options.weight;
    this.#spool = options.spool;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#onReady = options.onReady;
  }

  get isEmpty(): boolean {
    return this.#index >= this.#records.length;
  }

  /** The next report; undefined when it has to be read first. */
  take(): DecodedRecord | undefined {
    const record = this.#records[this.#index];
    if (record === undefined) return undefined;
    this.#index++;
    if (this.isEmpty) {
      this.#records = [];
      this.#index = 0;
      this.fill();
    }
    return record;
  }

  /** New reports may be there: reads on when nothing is at hand. */
  fill(): void {
    if (!this.isEmpty || this.#stopped) return;
    if (this.#reading) {
      this.#again = true;
      return;
    }
    this.#reading = true;
    void this.#read();
  }

  stop(): void {
    this.#stopped = true;
    if (!this.#reading) this.#reader?.close();
  }

  async #read(): Promise<void> {
    try {
      do {
        this.#again = false;
        this.#reader ??= this.#spool.createReader(this.name);
        this.#records = await this.#reader.read(readAhead);
        this.#index = 0;
      } while (this.#records.length === 0 && this.#again && !this.#stopped);
      this.#reading = false;
      if (this.#stopped) this.#reader.close();
      else if (this.#records.length > 0) this.#onReady();
    } catch (error) {
      this.#logger.error({ lane: this.name, error: describeError(error) }, 'cannot read the spool, trying again');
      this.#clock.after(retryMs, () => {
        this.#reading = false;
        this.fill();
      });
    }
  }
}
