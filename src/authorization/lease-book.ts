/**
 * Leases and denials, one per 序列号, over a journal (contracts/machines.md, 'Leases' and 'Changes').
 *
 * Invariants: every entry is sealed with a key bound to this box's secret, its hardware and the gateway's id, also one
 * that the centre has signed: a copied data folder holds the gateway's id, and a signature alone would verify there. A
 * lease answers only for exactly its five fields, until the earlier one of 授权截止时间 and grant + grace, by lease
 * time. 版本 and 授予时间 of a machine never go back, whether it is granted or denied: an answer or a push from before
 * is ignored when it comes again. Changes of one machine are decided one after another.
 *
 * What this cannot show: that the whole file was put back to an older copy on the same box. Nothing on the box outlives
 * that except in hardware made for it; root on the box is outside the threat model, and the centre has every answer
 * that was given from a lease in its log. A lease that comes back so still ends with its grace.
 *
 * Failure behaviour: a change that the disk does not take is rejected and changes nothing, but that the lease of a
 * machine whose revocation was signed does not answer from then on. With no room left, what matters least goes first
 * (`lease-eviction.ts`). Where the journal is damaged behind a lease, a denial of it may be what is lost: it does not
 * answer until the centre grants again (`doubt`).
 */
import type { KeyObject } from 'node:crypto';
import type { Journal, SiteTime } from '../platform/index.ts';
import { type Grant, type Identity, identityFields, sameIdentity, verifyGrant } from '../protocols/machines/index.ts';
import { entryKey, isSealedEntry, readEntry, sealEntry, serialOf, serialOfKey } from './lease-entry.ts';
import { chooseEvictions } from './lease-eviction.ts';
import { clockToleranceMs } from './lease-time.ts';
import type { Sealer } from './seal.ts';
import type { Denial, Lease, LeaseCheck, LeaseClock, LeaseOutcome, Leases, NoLease } from './types.ts';

export interface LeaseBookOptions {
  /** Has room for 64 keys more than `maxEntries`: changes made together, and its other keys. */
  readonly journal: Journal;
  readonly clock: LeaseClock;
  readonly siteTime: SiteTime;
  readonly sealer: () => Sealer;
  readonly gatewayId: string;
  /** The pinned one of the centre; undefined while there is none. */
  readonly centreKey: () => KeyObject | undefined;
  /** `authorization.offlineGrace`. */
  readonly graceMs: number;
  readonly maxEntries: number;
}

/** An entry with what `holdfast lease` says about it. */
export interface ListedEntry {
  readonly serial: string;
  /** undefined for an entry that cannot be read. */
  readonly entry: Lease | Denial | undefined;
  /** `valid`, or why it answers nothing now (whoever asks). */
  readonly state: 'valid' | NoLease;
  /** Lease time in ms at which it ends; undefined for a denial. */
  readonly endsAtMs: number | undefined;
}

/** What `rebind` has done. */
export interface Rebinding {
  /** Entries that are sealed for the box as it is now. */
  readonly sealed: number;
  /** Leases that nothing but their old seal vouches for: not valid any more. */
  readonly left: readonly string[];
}

/** A lease that is granted again on the same terms is written again only when it is so much newer. */
const renewEveryMs = 60_000;

export class LeaseBook implements Leases {
  readonly #options: LeaseBookOptions;
  /** The last change of a machine that is under way. */
  readonly #turns = new Map<string, Promise<unknown>>();
  /** Machines whose lease may have been denied by what cannot be read any more. */
  readonly #doubted = new Set<string>();

  constructor(options: LeaseBookOptions) {
    this.#options = options;
  }

  /** Looks at what the journal holds. `newestMs`: lease time of the newest grant that is sealed. */
  survey(): { readonly newestMs: number | undefined; readonly badSeals: number } {
    let newestMs: number | undefined;
    let badSeals = 0;
    for (const [serial, value] of this.#stored()) {
      const read = readEntry(serial, value);
      if (read === undefined || !this.#isSealed(read)) badSeals++;
      else if (read.entry.kind === 'lease') newestMs = Math.max(newestMs ?? 0, read.entry.grantedAtMs);
    }
    return { newestMs, badSeals };
  }

  /** The leases under these keys of the journal do not answer any more. Returns how many there are. */
  doubt(keys: Iterable<string>): number {
    for (const key of keys) {
      const serial = serialOfKey(key);
      if (serial !== undefined && this.get(serial)?.kind === 'lease') this.#doubted.add(serial);
    }
    return this.#doubted.size;
  }

  /** Makes denials of the leases in doubt; resolves when they are on disk. */
  async settleDoubts(): Promise<void> {
    const deny = (serial: string) =>
      this.#inTurn(serial, async (known) => {
        if (this.#doubted.has(serial)) await this.#deny(serial, 'damage', undefined, known?.version, known?.grantedAt);
      });
    await Promise.all([...this.#doubted].map(deny));
  }

  get isEmpty(): boolean {
    return this.#stored().next().done === true;
  }

  check(identity: Identity): LeaseCheck {
    const value = this.#options.journal.get(entryKey(identity.serial));
    if (value === undefined) return { valid: false, reason: 'none' };
    const read = readEntry(identity.serial, value);
    const reason = this.#fault(read);
    if (reason === 'revoked' && read?.entry.kind === 'denial') return { valid: false, reason, denial: read.entry };
    if (reason !== undefined || read?.entry.kind !== 'lease') return { valid: false, reason: reason ?? 'bad-seal' };
    if (!sameIdentity(read.entry.identity, identity)) return { valid: false, reason: 'other-identity' };
    return { valid: true, lease: read.entry, endsAtMs: this.#endOf(read.entry) };
  }

  get(serial: string): Lease | Denial | undefined {
    return readEntry(serial, this.#options.journal.get(entryKey(serial)))?.entry;
  }

  untilOf(serial: string): string | undefined {
    const known = this.get(serial);
    if (known?.kind !== 'lease') return undefined;
    const fault = this.#fault(this.#read(serial));
    return fault === undefined || fault === 'expired' || fault === 'clock' ? known.until : undefined;
  }

  grant(identity: Identity, terms: { readonly grant?: Grant; readonly until?: string } = {}): Promise<LeaseOutcome> {
    return this.#inTurn(identity.serial, async (known) => {
      const { grant } = terms;
      const until = grant?.until ?? terms.until;
      if (identityFields.some((field) => identity[field].includes('\n'))) return 'malformed';
      if (until !== undefined && this.#parse(until) === undefined) return 'malformed';
      if (grant === undefined) {
        if (this.#options.centreKey() !== undefined) return 'unsigned';
        // What is remembered stays remembered: a centre that stops signing does not open the way for old pushes.
        const { version, grantedAt } = known ?? {};
        const now = this.#options.clock.trustedMs();
        return this.#store({
          kind: 'lease',
          identity,
          until,
          grantedAtMs: now,
          source: 'legacy',
          version,
          grantedAt,
          signature: undefined,
        });
      }
      if (!sameIdentity(grant.identity, identity)) return 'bad-signature';
      return this.#storeGrant(grant, known, 'answer');
    });
  }

  deny(serial: string, terms: { readonly version?: number; readonly text?: string } = {}): Promise<void> {
    return this.#inTurn(serial, async (known) => {
      const version = Math.max(terms.version ?? -1, known?.version ?? -1);
      await this.#deny(serial, 'centre', terms.text, version < 0 ? undefined : version, known?.grantedAt);
    });
  }

  applyChange(grant: Grant): Promise<LeaseOutcome> {
    return this.#inTurn(grant.identity.serial, async (known) => {
      if (identityFields.some((field) => grant.identity[field].includes('\n'))) return 'malformed';
      return this.#storeGrant(grant, known, 'push');
    });
  }

  revoke(serial: string): Promise<boolean> {
    return this.#inTurn(serial, async (known) => {
      if (known?.kind !== 'lease') return false;
      await this.#deny(serial, 'command', undefined, known.version, known.grantedAt);
      return true;
    });
  }

  /**
   * Seals for the box as it is now: after an exchange of hardware. A lease that was signed is sealed again when its
   * signature verifies with the pinned key, for the text that was signed; denials always; leases that only their old
   * seal vouched for when `forceLegacy` says so: whoever asks for that vouches for the whole file.
   */
  async rebind({ forceLegacy = false } = {}): Promise<Rebinding> {
    let sealed = 0;
    const left: string[] = [];
    const writes: Promise<void>[] = [];
    for (const [serial, value] of [...this.#stored()]) {
      const entry = readEntry(serial, value)?.entry;
      const isVouchedFor = entry?.kind === 'denial' || (entry !== undefined && this.#vouches(entry, forceLegacy));
      if (entry === undefined || !isVouchedFor) {
        if (!this.#isSealed(readEntry(serial, value))) left.push(serial);
        else sealed++;
        continue;
      }
      writes.push(this.#inTurn(serial, () => this.#write(entry)));
      sealed++;
    }
    await Promise.all(writes);
    return { sealed, left };
  }

  /** What is kept, in the order in which the machines were first seen. */
  *list(): Generator<ListedEntry> {
    for (const [serial, value] of this.#stored()) {
      const read = readEntry(serial, value);
      yield {
        serial,
        entry: read?.entry,
        state: this.#fault(read) ?? 'valid',
        endsAtMs: read?.entry.kind === 'lease' ? this.#endOf(read.entry) : undefined,
      };
    }
  }

  /** Why an entry answers nothing, whoever asks; undefined when it is a lease that does. */
  #fault(read: { entry: Lease | Denial; seal: unknown } | undefined): NoLease | undefined {
    const { clock, centreKey, gatewayId } = this.#options;
    if (read === undefined) return 'bad-seal';
    const { entry } = read;
    // Whoever wrote it: a denial denies.
    if (entry.kind === 'denial' || this.#doubted.has(entry.identity.serial)) return 'revoked';
    if (!this.#isSealed(read)) return 'bad-seal';
    const key = centreKey();
    if (entry.source === 'signed' && key !== undefined) {
      const signed = grantOf(entry);
      if (signed === undefined || !verifyGrant(signed, gatewayId, key)) return 'bad-signature';
    }
    const now = clock.nowMs();
    // A grant of the future was dated by a clock that was wrong.
    if (clock.state === 'set-back' || entry.grantedAtMs > now + clockToleranceMs) return 'clock';
    return now >= this.#endOf(entry) ? 'expired' : undefined;
  }

  #endOf({ until, grantedAtMs }: Lease): number {
    const graceEnds = grantedAtMs + this.#options.graceMs;
    return until === undefined ? graceEnds : Math.min(graceEnds, this.#parse(until) ?? grantedAtMs);
  }

  async #storeGrant(grant: Grant, known: Lease | Denial | undefined, from: 'answer' | 'push'): Promise<LeaseOutcome> {
    const { clock, centreKey, gatewayId } = this.#options;
    const until = this.#parse(grant.until);
    const grantedAt = this.#parse(grant.grantedAt);
    if (until === undefined || grantedAt === undefined) return 'malformed';
    const key = centreKey();
    if (key !== undefined && !verifyGrant(grant, gatewayId, key)) return 'bad-signature';
    const age = this.#compare(grant.version, grantedAt, known);
    if (age < 0 || (age === 0 && from === 'push')) return 'stale';
    const { identity, version, signature } = grant;
    if (until <= grantedAt) {
      try {
        await this.#deny(identity.serial, 'centre', undefined, version, grant.grantedAt);
      } catch (error) {
        // It is in force all the same: whoever brought it brings it again, and the lease must not answer meanwhile.
        if (known?.kind === 'lease') this.#doubted.add(identity.serial);
        throw error;
      }
      return 'denied';
    }
    // The same answer once more makes no lease of what was denied after it.
    const isRepeat = age === 0 && grantedAt <= (this.#parse(known?.grantedAt ?? '') ?? Number.NEGATIVE_INFINITY);
    if (isRepeat)
      return known?.kind === 'lease' && this.#fault(this.#read(identity.serial)) === undefined ? 'lease' : 'stale';
    return this.#store({
      kind: 'lease',
      identity,
      until: grant.until,
      // The centre's clock may be ahead of the box's: the grace never begins in the future.
      grantedAtMs: Math.min(grantedAt, clock.trustedMs()),
      source: key === undefined ? 'legacy' : 'signed',
      version,
      grantedAt: grant.grantedAt,
      signature,
    });
  }

  /** Less than 0 when it is older than what is known, 0 for the same 版本 (not older), more for a newer one. */
  #compare(version: number, grantedAt: number, known: Lease | Denial | undefined): number {
    if (known?.version === undefined) return 1;
    if (version !== known.version) return version - known.version;
    const before = known.grantedAt === undefined ? undefined : this.#parse(known.grantedAt);
    return before !== undefined && grantedAt < before ? -1 : 0;
  }

  async #store(lease: Lease): Promise<'lease'> {
    const known = this.#read(lease.identity.serial);
    const isSure = known !== undefined && this.#isSealed(known) && !this.#doubted.has(lease.identity.serial);
    const isKept = isSure && known.entry.kind === 'lease' && isRenewed(known.entry, lease);
    if (!isKept) await this.#write(lease);
    return 'lease';
  }

  async #deny(
    serial: string,
    by: Denial['by'],
    text: string | undefined,
    version: number | undefined,
    grantedAt: string | undefined,
  ): Promise<void> {
    const known = this.#read(serial);
    const denial: Denial = {
      kind: 'denial',
      serial,
      atMs: this.#options.clock.nowMs(),
      version,
      grantedAt,
      by,
      text,
    };
    // A machine that is denied again and again does not wear out the flash.
    if (known?.entry.kind === 'denial' && this.#isSealed(known) && isSameDenial(known.entry, denial)) return;
    await this.#write(denial);
  }

  async #write(entry: Lease | Denial): Promise<void> {
    const { journal, sealer, gatewayId, maxEntries, clock } = this.#options;
    const key = entryKey(serialOf(entry));
    const seal = sealer();
    await seal.ready();
    const isNew = journal.get(key) === undefined;
    const gone =
      isNew && journal.size >= maxEntries
        ? chooseEvictions([...this.#stored()], maxEntries, (lease) => this.#endOf(lease) <= clock.nowMs())
        : [];
    await journal.apply([...gone.map((each) => [entryKey(each)] as const), [key, sealEntry(entry, gatewayId, seal)]]);
    this.#doubted.delete(serialOf(entry));
  }

  #vouches(lease: Lease | Denial, forceLegacy: boolean): boolean {
    if (lease.kind === 'denial' || forceLegacy) return true;
    const key = this.#options.centreKey();
    const signed = grantOf(lease);
    // When it began is not in what was signed, unless it is 授予时间 or earlier.
    if (key === undefined || signed === undefined || !verifyGrant(signed, this.#options.gatewayId, key)) return false;
    const grantedAt = this.#parse(signed.grantedAt);
    return grantedAt !== undefined && lease.grantedAtMs <= grantedAt;
  }

  #isSealed(read: { entry: Lease | Denial; seal: unknown } | undefined): boolean {
    if (read === undefined) return false;
    return isSealedEntry(read.entry, read.seal, this.#options.gatewayId, this.#options.sealer());
  }

  #read(serial: string): { entry: Lease | Denial; seal: unknown } | undefined {
    return readEntry(serial, this.#options.journal.get(entryKey(serial)));
  }

  #parse(time: string): number | undefined {
    return this.#options.siteTime.parse(time);
  }

  *#stored(): Generator<[string, unknown]> {
    for (const [key, value] of this.#options.journal.entries()) {
      const serial = serialOfKey(key);
      if (serial !== undefined) yield [serial, value];
    }
  }

  /** Runs `decide` when the changes of this machine before it are done, with what is known then. */
  #inTurn<T>(serial: string, decide: (known: Lease | Denial | undefined) => Promise<T>): Promise<T> {
    const before = this.#turns.get(serial) ?? Promise.resolve();
    const turn = before.catch(() => {}).then(() => decide(this.get(serial)));
    this.#turns.set(serial, turn);
    const end = () => {
      if (this.#turns.get(serial) === turn) this.#turns.delete(serial);
    };
    turn.then(end, end);
    return turn;
  }
}

/** What the centre signed of a lease. */
function grantOf({ identity, until, grantedAt, version, signature }: Lease): Grant | undefined {
  if (until === undefined || grantedAt === undefined || version === undefined || signature === undefined)
    return undefined;
  return { identity, until, grantedAt, version, signature };
}

/** True when what is kept says the same, and for as long but for a moment. */
function isRenewed(kept: Lease, lease: Lease): boolean {
  return (
    sameIdentity(kept.identity, lease.identity) &&
    kept.until === lease.until &&
    kept.version === lease.version &&
    kept.source === lease.source &&
    kept.grantedAtMs <= lease.grantedAtMs &&
    lease.grantedAtMs - kept.grantedAtMs < renewEveryMs
  );
}

const isSameDenial = (one: Denial, other: Denial): boolean =>
  one.by === other.by && one.text === other.text && one.version === other.version && one.grantedAt === other.grantedAt;
