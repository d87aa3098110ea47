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

/** A denial that is not on disk yet. */
interface Unsaved {
  readonly terms: NonNullable<Parameters<Leases['deny']>[1]>;
  /** What was on disk then: when it is something else, a newer change has come. */
  readonly before: string;
}

/** Denials that could not be put on disk are remembered until they can or the restart, the newest so many. */
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
 * not take still denies, is remembered in memory, and tried again whenever a lease is looked for; both are an alarm. Where the centre's key is pinned, a grant
 * without its signature, or with another's, is none: an alarm, and the question stays open.
 */
export class Verdicts {
  readonly #leases: Leases;
  readonly #records: AuthorizationRecords;
  readonly #alarms: Alarms;
  readonly #counters: Counters;
  readonly #gatewayId: string;
  readonly #centreKey: () => KeyObject | undefined;
  readonly #unsaved = new Map<string, Unsaved>();
  /** Grants that are being put on disk, by 序列号: an older denial must not come behind them. */
  readonly #granting = new Map<string, number>();
  #isSaving = false;

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
    if (this.#unsaved.size > 0) void this.#saveDenials();
    return !this.#unsaved.has(identity.serial) && this.#leases.check(identity).valid;
  }

  /** A granted answer. */
  async grant(identity: Identity, { grant, until }: CentreAnswer & { kind: 'granted' }): Promise<Verdict> {
    const { serial } = identity;
    const terms = { ...(grant !== undefined && { grant }), ...(until !== undefined && { until }) };
    let outcome: LeaseOutcome | 'not-saved';
    this.#granting.set(serial, (this.#granting.get(serial) ?? 0) + 1);
    try {
      outcome = await this.#leases.grant(identity, terms);
      this.#alarms.clear('journal-write-failed', 'leases');
      if (outcome === 'lease') this.#unsaved.delete(serial);
    } catch (error) {
      outcome = 'not-saved';
      this.#alarms.raise('journal-write-failed', { text: describeError(error) }, 'leases');
    } finally {
      const left = this.#granting.get(serial)! - 1;
      if (left > 0) this.#granting.set(serial, left);
      else this.#granting.delete(serial);
    }
    this.#records.note('centre', { serial, granted: true, outcome });
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
    const terms = { ...(version !== undefined && { version }), ...(text !== undefined && { text }) };
    this.#unsaved.delete(serial);
    this.#unsaved.set(serial, { terms, before: this.#onDisk(serial) });
    for (const oldest of this.#unsaved.keys()) {
      if (this.#unsaved.size <= maxUnsaved) break;
      this.#unsaved.delete(oldest);
    }
    let outcome = 'denied';
    try {
      await this.#leases.deny(serial, terms);
      this.#unsaved.delete(serial);
      this.#alarms.clear('journal-write-failed', 'leases');
    } catch (error) {
      outcome = 'not-saved';
      this.#alarms.raise('journal-write-failed', { text: describeError(error) }, 'leases');
    }
    this.#records.note('centre', { serial, granted: false, error: text ?? said, outcome });
    return denied(text, said);
  }

  /** Tries again what the disk did not take: at a restart the machine's old lease would answer. */
  async #saveDenials(): Promise<void> {
    if (this.#isSaving) return;
    this.#isSaving = true;
    try {
      for (const [serial, denial] of [...this.#unsaved]) {
        if (this.#unsaved.get(serial) !== denial || this.#granting.has(serial)) continue;
        if (this.#onDisk(serial) === denial.before) await this.#leases.deny(serial, denial.terms);
        if (this.#unsaved.get(serial) === denial) this.#unsaved.delete(serial);
      }
      this.#alarms.clear('journal-write-failed', 'leases');
    } catch {
      // The alarm is there already.
    } finally {
      this.#isSaving = false;
    }
  }

  #onDisk(serial: string): string {
    return JSON.stringify(this.#leases.get(serial) ?? null);
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
