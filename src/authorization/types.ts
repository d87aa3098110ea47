/** What the parts of authorization say to each other: leases, the time they are measured by, the audit log. */
import type { Grant, Identity } from '../protocols/machines/index.ts';

/** A centre's word that a machine may print, kept so that the gateway can repeat it while the centre is away. */
export interface Lease {
  readonly kind: 'lease';
  readonly identity: Identity;
  /** 授权截止时间 as it was sent, site time; undefined when the centre sent none. */
  readonly until: string | undefined;
  /** Lease time of the grant in ms since 1970 UTC: the grace counts from here. */
  readonly grantedAtMs: number;
  /** `signed`: the signature was verified with the centre's pinned key. `legacy`: only this box's seal vouches for it. */
  readonly source: 'signed' | 'legacy';
  /** 版本; undefined for a centre that sends none. */
  readonly version: number | undefined;
  /** 授予时间 and 签名 as they were sent; undefined for a centre that does not sign. */
  readonly grantedAt: string | undefined;
  readonly signature: string | undefined;
}

/** A centre's word, or an operator's, that a machine may not print. */
export interface Denial {
  readonly kind: 'denial';
  readonly serial: string;
  /** Lease time in ms since 1970 UTC. */
  readonly atMs: number;
  /** The highest 版本 that was seen of this machine: nothing older counts any more. */
  readonly version: number | undefined;
  /** The newest 授予时间 that was seen with that version. */
  readonly grantedAt: string | undefined;
  /** `centre`: its answer or its push; `command`: `holdfast lease revoke`; `damage`: a denial may have been lost. */
  readonly by: 'centre' | 'command' | 'damage';
  /** Id of the answer's text in the catalogue, where it is known: what the gateway says while the centre is away. */
  readonly text: string | undefined;
}

/** Why a lease does not answer a query. */
export type NoLease =
  | 'none'
  | 'expired'
  | 'other-identity'
  | 'bad-signature'
  | 'bad-seal'
  /** The centre, or an operator, has denied it since. */
  | 'revoked'
  /** The clock was set back, or lies behind although it is synchronized. */
  | 'clock';

export type LeaseCheck =
  | { readonly valid: true; readonly lease: Lease; readonly endsAtMs: number }
  | { readonly valid: false; readonly reason: NoLease; readonly denial?: Denial };

/** What became of a granted answer, or of a pushed change. */
export type LeaseOutcome =
  /** There is a lease now, on disk. */
  | 'lease'
  /** The machine is denied now, on disk. */
  | 'denied'
  /** Older than what is known: nothing changed. */
  | 'stale'
  /** The signature is not the centre's: nothing changed. */
  | 'bad-signature'
  /** The centre's key is pinned, and this was not signed: nothing changed, and the answer is no grant. */
  | 'unsigned'
  /** A time that cannot be read, or a field with a line feed: nothing changed. */
  | 'malformed';

/** Leases and denials, one per 序列号. Every change is on disk when its promise resolves; a rejected one changed nothing. */
export interface Leases {
  /** Whether the gateway may answer this query with "1" by itself, now. Reads memory only. */
  check(identity: Identity): LeaseCheck;
  /**
   * A granted answer of the centre to a query: makes the lease. `grant`: what `readGrant` found in the answer;
   * `until`: 授权截止时间 when the centre sends that alone. Resolves `lease`, `stale`, `bad-signature`, `unsigned` or
   * `malformed`. Rejects with HoldfastError `journal-write-failed`.
   */
  grant(identity: Identity, terms?: { readonly grant?: Grant; readonly until?: string }): Promise<LeaseOutcome>;
  /** A denial of the centre, in answer to a query: deletes the lease and is remembered. `text`: id in the catalogue. */
  deny(serial: string, terms?: { readonly version?: number; readonly text?: string }): Promise<void>;
  /** A change pushed by the centre: `lease`, `denied` (授权截止时间 is past), `stale`, `bad-signature` or `malformed`. */
  applyChange(grant: Grant): Promise<LeaseOutcome>;
  /** `holdfast lease revoke`: false when there is no lease of that machine. The centre may grant again. */
  revoke(serial: string): Promise<boolean>;
  /** 授权截止时间 of a machine's lease, for people; undefined without one, and where nothing vouches for what is kept. */
  untilOf(serial: string): string | undefined;
  /** What is known of a machine, whoever wrote it. */
  get(serial: string): Lease | Denial | undefined;
}

/** The time that leases are measured by. */
export interface LeaseClock {
  /** Lease time in ms since 1970 UTC. */
  nowMs(): number;
  /**
   * Lease time by trusted times alone (the centre's, a synchronized clock's), advanced by the monotonic clock; where
   * there has been none, the same as `nowMs`. What a grant is dated with.
   */
  trustedMs(): number;
  /**
   * `right`; `behind`: at a boot without synchronization, time goes on from the saved one and leases may be used;
   * `set-back`: leases must not be used.
   */
  readonly state: 'right' | 'behind' | 'set-back';
  /** The time at the centre now: 报文时间 of an answer to a query that is under way, ms since 1970 UTC. */
  noteCentreTime(ms: number): void;
}

/** What a line of the audit log may hold besides its own keys; texts are cut to 256 characters. */
export type AuditFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** The append-only, hash-chained log. */
export interface Audit {
  /**
   * Appends a line; resolves when it is on disk: an answer waits for it. Lines of calls made together share one sync.
   * Rejects with HoldfastError `audit-write-failed`; the line is then not there.
   */
  append(event: string, fields: AuditFields): Promise<void>;
}
