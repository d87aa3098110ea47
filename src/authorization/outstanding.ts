import type { Identity } from '../protocols/machines/index.ts';
import { sameIdentity } from '../protocols/machines/index.ts';
import type { Receipt } from '../uplink/index.ts';

/** A query that was sent and not answered yet. */
export interface SentQuery {
  readonly messageId: string;
  readonly identity: Identity;
  /** Monotonic ms. */
  readonly sentAtMs: number;
}

/** Why an answer is not taken. */
export type NotTaken =
  /** Nobody asked, or it was answered already. */
  | 'unmatched'
  /** From before the connection, and it does not say what it answers. */
  | 'stale'
  /** It does not say what it answers, and questions about different identities are open. */
  | 'ambiguous';

/** An answer may come so late and still be told. */
const keptForMs = 60_000;
const maxKept = 4096;

/**
 * Which query an answer answers. Our centre says so by `correlation_id`; an answer that does not is taken for the oldest
 * open question of its machine, and only when all of them ask about the same identity: an answer never counts for
 * another identity than the one that was asked about.
 */
export class Outstanding {
  readonly #now: () => number;
  /** In the order of sending. */
  readonly #queries = new Map<string, SentQuery>();
  readonly #bySerial = new Map<string, SentQuery[]>();

  /** `now`: monotonic ms. */
  constructor(now: () => number) {
    this.#now = now;
  }

  get size(): number {
    return this.#queries.size;
  }

  add(query: SentQuery): void {
    this.#forgetOld();
    this.#queries.set(query.messageId, query);
    const { serial } = query.identity;
    const list = this.#bySerial.get(serial);
    if (list === undefined) this.#bySerial.set(serial, [query]);
    else list.push(query);
  }

  /** The query that an answer is for, which is then no longer open; or why it is for none. */
  take({ messageId, serial, stale }: Receipt): SentQuery | NotTaken {
    this.#forgetOld();
    if (messageId !== undefined) {
      const query = this.#queries.get(messageId);
      if (query === undefined) return 'unmatched';
      this.#remove(query);
      return query;
    }
    if (stale) return 'stale';
    const [oldest, ...others] = (serial === undefined ? undefined : this.#bySerial.get(serial)) ?? [];
    if (oldest === undefined) return 'unmatched';
    this.#remove(oldest);
    return others.every(({ identity }) => sameIdentity(identity, oldest.identity)) ? oldest : 'ambiguous';
  }

  /** The broker did not take it: no answer will come. */
  withdraw(messageId: string): SentQuery | undefined {
    const query = this.#queries.get(messageId);
    if (query !== undefined) this.#remove(query);
    return query;
  }

  #remove(query: SentQuery): void {
    this.#queries.delete(query.messageId);
    const { serial } = query.identity;
    const rest = (this.#bySerial.get(serial) ?? []).filter((other) => other !== query);
    if (rest.length === 0) this.#bySerial.delete(serial);
    else this.#bySerial.set(serial, rest);
  }

  #forgetOld(): void {
    const before = this.#now() - keptForMs;
    for (const query of this.#queries.values()) {
      if (query.sentAtMs >= before && this.#queries.size < maxKept) break;
      this.#remove(query);
    }
  }
}
