import type { KeyObject } from 'node:crypto';
import type { Alarms } from '../alarms.ts';
import { describeError } from '../errors.ts';
import { type Counters, countBy } from '../metrics.ts';
import { type Grant, type Identity, sameIdentity, type TextId, verifyGrant } from '../protocols/machines/index.ts';
import type { Answer } from './asking.ts';
import type { CentreAnswer } from './centre-answer.ts';
import type { AuthorizationRecords } from './records.ts';
import type { LeaseOutcome, Leases } from './types.ts';

/** What an answer of the centre comes to; `none`: as if it had not come. */
export type Verdict = { readonly kind: 'answer'; readonly answer: Answer } | { readonly kind: 'none' };

/** Denials that could not be put on disk are remembered until the restart, the newest so many. */
const maxUnsaved = 10_000;

const none: Verdict = { kind: 'none' };
const granted: Verdict = {
  kind: 'answer',
  answer: { granted: true, source: 'centre', text: undefined, said: undefined },
};
const denied = (text: TextId | undefined, said?: string): Verdict => ({
  kind: 'answer',
  answer: { granted: false, source: 'centre', text, said: text === undefined ? (said ?? '') : undefined },
});

/**
 * Turns decisions of the centre into leases and denials, on disk before they are told.
 *
 * Failure behaviour: a grant that the disk does not take is still a grant, only without a lease; a denial that it does
 * not take still denies, and is remembered in memory; both are an alarm. Where the centre's key is pinned, a grant
 * without its signature, or with another's, is none: an alarm, and the question stays open.
 */
export class Verdicts {
  readonly #leases: Leases;
  readonly #records: AuthorizationRecords;
  readonly #alarms: Alarms;
  readonly #counters: Counters;
  readonly #gatewayId: string;
  readonly #centreKey: () => KeyObject | undefined;
  readonly #unsaved = new Set<string>();

  constructor(options: {
    leases: Leases;
    records: AuthorizationRecords;
    alarms: Alarms;
    counters: Counters;
    gatewayId: string;
    /** The centre's public key, when it is pinned. */
    centreKey: () => KeyObject | undefined;
  }) {
    this.#leases = options.leases;
    this.#records = options.records;
    this.#alarms = options.alarms;
    this.#counters = options.counters;
    this.#gatewayId = options.gatewayId;
    this.#centreKey = options.centreKey;
  }

  /** Whether a lease answers a query about this identity now. */
  hasLease(identity: Identity): boolean {
    return !this.#unsaved.has(identity.serial) && this.#leases.check(identity).valid;
  }

  /** A granted answer. */
  async grant(identity: Identity, { grant, until }: CentreAnswer & { kind: 'granted' }): Promise<Verdict> {
    const { serial } = identity;
    const terms = { ...(grant !== undefined && { grant }), ...(until !== undefined && { until }) };
    let outcome: LeaseOutcome | 'not-saved';
    try {
      outcome = await this.#leases.grant(identity, terms);
      this.#alarms.clear('journal-write-failed', 'leases');
    } catch (error) {
      outcome = 'not-saved';
      this.#alarms.raise('journal-write-failed', { text: describeError(error) }, 'leases');
    }
    this.#records.note('centre', { serial, granted: true, outcome });
    if (outcome === 'lease') this.#unsaved.delete(serial);
    const key = this.#centreKey();
    // When the disk failed, nobody has looked at the signature.
    const isForged = outcome === 'not-saved' && key !== undefined && !this.#isSigned(grant);
    if (outcome === 'bad-signature' || isForged || (key !== undefined && outcome === 'unsigned')) {
      this.#badSignature(serial);
      return none;
    }
    if (outcome === 'malformed' && key !== undefined) return none;
    // Granted before a denial that is known already, or until a time that is past.
    if (outcome === 'denied' || (outcome === 'stale' && !this.hasLease(identity))) return denied('not-authorized');
    this.#alarms.clear('grant-signature');
    return granted;
  }

  /** A denial: the machine's lease is gone when it is told. */
  async deny(identity: Identity, { grant, text, said }: CentreAnswer & { kind: 'denied' }): Promise<Verdict> {
    const { serial } = identity;
    const known = this.#leases.get(serial);
    if (text === 'identity-mismatch' && known?.kind === 'lease' && !sameIdentity(known.identity, identity)) {
      // Somebody asked with other fields than the machine has; about the machine itself the centre has said nothing.
      this.#records.note('centre', { serial, granted: false, error: text, outcome: 'other-identity' });
      return denied(text, said);
    }
    // A version that nobody vouches for must not make the centre's later grants old.
    const version = this.#isSigned(grant) ? grant?.version : undefined;
    this.#unsaved.add(serial);
    for (const oldest of this.#unsaved) {
      if (this.#unsaved.size <= maxUnsaved) break;
      this.#unsaved.delete(oldest);
    }
    let outcome = 'denied';
    try {
      await this.#leases.deny(serial, {
        ...(version !== undefined && { version }),
        ...(text !== undefined && { text }),
      });
      this.#unsaved.delete(serial);
      this.#alarms.clear('journal-write-failed', 'leases');
    } catch (error) {
      outcome = 'not-saved';
      this.#alarms.raise('journal-write-failed', { text: describeError(error) }, 'leases');
    }
    this.#records.note('centre', { serial, granted: false, error: text ?? said, outcome });
    return denied(text, said);
  }

  #isSigned(grant: Grant | undefined): boolean {
    const key = this.#centreKey();
    return grant !== undefined && key !== undefined && verifyGrant(grant, this.#gatewayId, key);
  }

  #badSignature(serial: string): void {
    countBy(this.#counters.authorizationIgnored, 'signature');
    this.#alarms.raise('grant-signature', { serial });
  }
}
