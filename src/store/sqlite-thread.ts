/**
 * The file of a `SqliteDocumentStore` in its thread, seen from the main thread: given one turn at a time.
 *
 * Invariants: what is asked while a turn is under way waits and then goes together, writes in one transaction (one sync
 * for all), readings and writes by turns. A turn is bounded in bytes.
 * Failure behaviour: a thread that dies fails the calls of its turn with `database-unreachable`, and the next turn
 * starts another.
 */
import { HoldfastError, isHoldfastError } from '../errors.ts';
import type { FileOwner, SqliteHost } from './sqlite-host.ts';
import type { FileReport, FileTurn, Reading, ThreadData, Writing } from './sqlite-messages.ts';

/** A call, and what to tell about it. */
interface Call<Asked> {
  readonly asked: Asked;
  readonly size: number;
  readonly rows: string[];
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** A turn's documents share a transaction, and are all in the thread's memory at once. */
const mostTurnCharacters = 2 * 1024 * 1024;
const mostTurnCalls = 500;
const mostReadings = 16;
/**
 * What the file's damage is told to; the calls that found it wait for it. They are tried again after it, or fail
 * with what it throws.
 */
export type DamageHandler = (text: string) => Promise<void>;

export class SqliteThread implements FileOwner {
  readonly #host: SqliteHost;
  readonly #file: number;
  readonly #data: ThreadData;
  readonly #onDamage: DamageHandler;
  readonly #readings: Call<Reading>[] = [];
  readonly #writings: Call<Writing>[] = [];
  /** Calls of the turn under way by their place in it; those that are answered are gone. */
  #turn: Map<number, Call<Reading> | Call<Writing>> | undefined;
  #lastWasReading = false;
  #damage: string | undefined;
  #damaged: Call<Reading | Writing>[] = [];
  #idle: (() => void)[] = [];

  constructor(host: SqliteHost, data: ThreadData, onDamage: DamageHandler) {
    this.#host = host;
    this.#file = host.add(this);
    this.#data = data;
    this.#onDamage = onDamage;
  }

  /** Rows are given one by one as texts; resolves with the call's value, or with all of them for a find. */
  read(asked: Reading): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#readings.push({ asked, size: 0, rows: [], resolve, reject });
      this.#next();
    });
  }

  /** `size` is about that of the documents in it, in characters. `first` puts it before what waits. */
  write(asked: Writing, size = 0, first = false): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const call: Call<Writing> = { asked, size, rows: [], resolve, reject };
      if (first) this.#writings.unshift(call);
      else this.#writings.push(call);
      this.#next();
    });
  }

  /** Waits for every call, then closes the file. It is opened again by the next call. */
  async close(): Promise<void> {
    while (this.#turn !== undefined || this.#readings.length > 0 || this.#writings.length > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
    await this.#host.release(this.#file);
  }

  /** Part of `FileOwner`. */
  onReport(report: Exclude<FileReport, { kind: 'closed' }>): void {
    if (report.kind === 'over') {
      void this.#over();
      return;
    }
    this.#take(report);
  }

  /** Part of `FileOwner`. */
  onEnd(error: unknown): void {
    const calls = [...(this.#turn?.values() ?? []), ...this.#damaged];
    this.#damaged = [];
    this.#damage = undefined;
    this.#turn = undefined;
    for (const call of calls) call.reject(unreachable('the thread of the documents has ended', error));
    this.#next();
  }

  #next(): void {
    if (this.#turn !== undefined) return;
    const reading = this.#readings.length > 0 && (this.#writings.length === 0 || !this.#lastWasReading);
    const calls = reading ? this.#readings.splice(0, mostReadings) : this.#takeWritings();
    if (calls.length === 0) {
      for (const resolve of this.#idle.splice(0)) resolve();
      return;
    }
    this.#lastWasReading = reading;
    this.#turn = new Map<number, Call<Reading> | Call<Writing>>(calls.entries());
    try {
      const asked = calls.map((call) => call.asked);
      this.#host.post(this.#file, this.#data, { kind: reading ? 'read' : 'write', calls: asked } as FileTurn);
    } catch (error) {
      this.onEnd(error);
    }
  }

  #takeWritings(): Call<Writing>[] {
    let size = 0;
    let count = 0;
    for (const call of this.#writings) {
      size += call.size;
      if (count > 0 && (size > mostTurnCharacters || count === mostTurnCalls)) break;
      count++;
    }
    return this.#writings.splice(0, count);
  }

  #take(report: Exclude<FileReport, { kind: 'over' | 'closed' }>): void {
    const call = this.#turn?.get(report.call);
    if (call === undefined) return;
    if (report.kind === 'rows') {
      for (const row of report.rows) call.rows.push(row);
      return;
    }
    this.#turn!.delete(report.call);
    if (report.kind === 'value') {
      call.resolve(call.asked.kind === 'find' ? call.rows : report.value);
    } else if (report.failure.cause === 'damaged') {
      this.#damage = report.failure.text;
      this.#damaged.push(call as Call<Reading | Writing>);
    } else {
      call.reject(unreachable(report.failure.text));
    }
  }

  async #over(): Promise<void> {
    const damage = this.#damage;
    const damaged = this.#damaged;
    this.#damage = undefined;
    this.#damaged = [];
    if (damage !== undefined) {
      try {
        await this.#onDamage(damage);
        for (const call of damaged) this.#again(call);
      } catch (error) {
        for (const call of damaged) call.reject(isHoldfastError(error) ? error : unreachable(damage, error));
      }
    }
    this.#turn = undefined;
    this.#next();
  }

  #again(call: Call<Reading | Writing>): void {
    call.rows.length = 0;
    const { kind } = call.asked;
    if (kind === 'ping' || kind === 'find' || kind === 'explain' || kind === 'count' || kind === 'distinct') {
      this.#readings.unshift(call as Call<Reading>);
    } else {
      this.#writings.unshift(call as Call<Writing>);
    }
  }
}

function unreachable(text: string, cause?: unknown): HoldfastError {
  return new HoldfastError('database-unreachable', text, cause);
}
