/**
 * Where codes for new boxes are made and taken: `holdfast enrol --new` at the centre, `POST /enrol`.
 *
 * Invariants: the database holds of a code the hash of its first half and what its second half encrypted. A code is
 * taken by one atomic step of the database, so that of two boxes that show it, at any two copies of the centre, one is
 * answered; that box, known by its key, may ask again for ten minutes. Unknown, used and expired codes are answered the
 * same, after the same work.
 * Failure behaviour: a database that is away rejects with `database-unreachable`; nothing is taken then, or the same box
 * asks again.
 */
import {
  drawCode,
  type EnrolmentAnswer,
  type EnrolmentRequest,
  type EnrolmentSettings,
  formatCode,
  lookupHash,
  sealSettings,
  signAnswer,
} from '../enrolment/index.ts';
import type { Clock, Logger } from '../platform/index.ts';
import type { CollectionName, DocumentStore, StoredDocument } from '../store/index.ts';
import type { SigningKey } from './signing-key.ts';

/** Codes that were made and not yet used up: `_id` is the hash of the first half. */
export const enrolmentCollection: CollectionName = { database: 'gateway', collection: 'enrolment' };
/** Gateways that were enrolled: `_id` is the gateway's id. */
export const enrolledCollection: CollectionName = { database: 'gateway', collection: 'enrolled' };

/** So long the box that used a code may ask again, ms. */
export const askAgainMs = 600_000;

/** What becomes of a request. */
export type Redeemed =
  | { readonly kind: 'answer'; readonly answer: EnrolmentAnswer }
  | { readonly kind: 'refused' | 'gateway-taken' }
  /** The box cannot take the id that the code is for. */
  | { readonly kind: 'other-gateway'; readonly gateway: string };

/** Makes a code and keeps what it stands for. Resolves with the code as people copy it, once it is safe. */
export async function issueCode(
  store: DocumentStore,
  { settings, validForMs, nowMs }: { settings: EnrolmentSettings; validForMs: number; nowMs: number },
): Promise<string> {
  const code = drawCode();
  await store.put(enrolmentCollection, {
    _id: lookupHash(code.lookup),
    state: 'open',
    gateway: settings.gateway ?? '',
    sealed: sealSettings(settings, code),
    made: new Date(nowMs),
    until: new Date(nowMs + validForMs),
  });
  return formatCode(code);
}

/** Takes codes. */
export class EnrolmentDesk {
  readonly #store: DocumentStore;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #signingKey: SigningKey;

  constructor(options: { store: DocumentStore; clock: Clock; logger: Logger; signingKey: SigningKey }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#signingKey = options.signingKey;
  }

  /** The key that gateways pin, PEM. */
  get publicPem(): string {
    return this.#signingKey.publicPem;
  }

  /** Takes a code, or says why not. Throws `database-unreachable`. */
  async redeem(request: EnrolmentRequest): Promise<Redeemed> {
    const id = lookupHash(request.lookup);
    const now = new Date(this.#clock.wallMs());
    const [found] = await this.#store.find(enrolmentCollection, { filter: { _id: id }, limit: 1 });
    const gateway = textOf(found, 'gateway') || request.gateway;
    if (found !== undefined && request.fixed && gateway !== request.gateway && isUsable(found, request, now)) {
      return { kind: 'other-gateway', gateway };
    }
    const taken = (await this.#take(id, request, now)) ?? (await this.#takeAgain(id, request, now));
    if (taken === undefined) {
      this.#logger.warn({ state: stateOf(found, now) }, 'an enrolment code was refused');
      return { kind: 'refused' };
    }
    if (!(await this.#register(gateway, request, textOf(taken, 'gateway') !== '', now))) {
      await this.#giveBack(id, request);
      return { kind: 'gateway-taken' };
    }
    this.#logger.info({ gateway }, 'a gateway was enrolled');
    const answer = { gateway, sealed: textOf(taken, 'sealed'), key: this.publicPem };
    return { kind: 'answer', answer: signAnswer(answer, request, this.#signingKey.privateKey) };
  }

  /** Removes what is over. */
  async sweep(): Promise<void> {
    const past = { atMost: new Date(this.#clock.wallMs()) };
    await this.#store.remove(enrolmentCollection, { until: past });
  }

  #take(id: string, { box }: EnrolmentRequest, now: Date): Promise<StoredDocument | undefined> {
    const until = new Date(now.getTime() + askAgainMs);
    return this.#store.update(
      enrolmentCollection,
      id,
      { set: { state: 'used', box, used: now, until } },
      { filter: { state: 'open', until: { atLeast: now } } },
    );
  }

  #takeAgain(id: string, { box }: EnrolmentRequest, now: Date): Promise<StoredDocument | undefined> {
    return this.#store.update(
      enrolmentCollection,
      id,
      { add: { repeats: 1n } },
      { filter: { state: 'used', box, until: { atLeast: now } } },
    );
  }

  /** A box gets the id of another one only with a code that was made for that id. */
  async #register(gateway: string, { box }: EnrolmentRequest, named: boolean, now: Date): Promise<boolean> {
    const set = { box, enrolled: now };
    const options = named ? { insert: true } : { insert: true, filter: { box } };
    return (await this.#store.update(enrolledCollection, gateway, { set }, options)) !== undefined;
  }

  /** The code was good, only not for this box: it is as it was, but for ten minutes. */
  async #giveBack(id: string, { box }: EnrolmentRequest): Promise<void> {
    await this.#store.update(enrolmentCollection, id, { set: { state: 'open' } }, { filter: { state: 'used', box } });
  }
}

function isUsable(found: StoredDocument, { box }: EnrolmentRequest, now: Date): boolean {
  return stateOf(found, now) === 'open' || (stateOf(found, now) === 'used' && found.box === box);
}

function stateOf(found: StoredDocument | undefined, now: Date): string {
  if (found === undefined) return 'unknown';
  return found.until instanceof Date && found.until < now ? 'expired' : String(found.state);
}

function textOf(document: StoredDocument | undefined, field: string): string {
  const value = document?.[field];
  return typeof value === 'string' ? value : '';
}
