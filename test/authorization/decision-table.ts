/**
 * The decision table of authorization at the gateway (docs/authorization.md), as data: every combination of what a query
 * may meet, and what it comes to. `expectedOf` is the contract in words of its own; it knows nothing of the code.
 */
import { messageFields } from '../../src/protocols/machines/index.ts';

/** How soon the centre answers, in ms; `down`: no connection; `legacy`: unsigned, without correlation, soon. */
export const centres = { up: 50, 'slow 1.9 s': 1900, 'slow 2.1 s': 2100, 'slow 2.9 s': 2900, 'slow 3.1 s': 3100 };
export type Centre = keyof typeof centres | 'down' | 'legacy';
export const leaseStates = ['none', 'valid', 'expired', 'other identity', 'bad signature', 'revoked'] as const;
export const clockStates = ['right', 'back a year', 'forward a year'] as const;
/** `complete`, or the key that is missing. */
export const messages = ['complete', ...Object.values(messageFields.authorization).map(({ key }) => key)] as const;

export interface Row {
  readonly centre: Centre;
  /**
   * What the box has of the machine: nothing; a lease; one that is over its grace; one for another identity; one whose
   * signature (legacy: seal) does not verify; or a denial, and then the centre denies too.
   */
  readonly lease: (typeof leaseStates)[number];
  readonly clock: (typeof clockStates)[number];
  readonly message: (typeof messages)[number];
  /** The machine's base information is in the spool, and the centre does not get it meanwhile. */
  readonly baseWaits: boolean;
}

export interface Expected {
  readonly granted: boolean;
  /** 错误 of the answer. */
  readonly error: string;
  readonly source: 'centre' | 'lease' | 'nobody' | 'not asked';
  /** From the query to the answer, ms. */
  readonly afterMs: number;
  /** What the box has of the machine afterwards: as before, a new lease, or a denial. */
  readonly leaseAfter: 'as before' | 'made' | 'denied';
  /** The centre's answer that comes after the machine was answered, and is told too. */
  readonly late: 'granted' | undefined;
}

const centreNames: readonly Centre[] = [...(Object.keys(centres) as (keyof typeof centres)[]), 'down', 'legacy'];

/** All rows. */
export const rows: readonly Row[] = centreNames.flatMap((centre) =>
  leaseStates.flatMap((lease) =>
    clockStates.flatMap((clock) =>
      messages.flatMap((message) =>
        [false, true].map((baseWaits): Row => ({ centre, lease, clock, message, baseWaits })),
      ),
    ),
  ),
);

const refusal = (error: string, source: Expected['source'], afterMs: number): Expected => ({
  granted: false,
  error,
  source,
  afterMs,
  leaseAfter: 'as before',
  late: undefined,
});

const byLease = (afterMs: number): Expected => ({
  granted: true,
  error: '',
  source: 'lease',
  afterMs,
  leaseAfter: 'as before',
  late: undefined,
});

/** What a row comes to. */
export function expectedOf({ centre, lease, clock, message, baseWaits }: Row): Expected {
  if (message !== 'complete') return refusal('报文格式错误', 'not asked', 0);
  const mayUseLease = lease === 'valid' && clock === 'right';
  if (centre === 'down') return mayUseLease ? byLease(0) : refusal('授权服务器无响应', 'nobody', 4 * 3000 + 3 * 10_000);
  const delayMs = centre === 'legacy' ? 50 : centres[centre];
  if (baseWaits) {
    // Base information holds the query up for 1 s; then the centre says 设备信息不一致, which is no denial yet.
    const heardMs = 1000 + delayMs;
    if (mayUseLease) return byLease(Math.min(heardMs, 2000));
    // One repeat, for which base information has 10 s more.
    return refusal('设备信息不一致，授权不通过', 'centre', heardMs + 10_000 + delayMs);
  }
  if (lease === 'revoked') return { ...refusal('授权不通过0', 'centre', delayMs), leaseAfter: 'denied' };
  // What the centre grants makes a lease, also when the machine was answered from the old one before.
  if (mayUseLease && delayMs > 2000) return { ...byLease(2000), leaseAfter: 'made', late: 'granted' };
  return { granted: true, error: '', source: 'centre', afterMs: delayMs, leaseAfter: 'made', late: undefined };
}

/** A row in words. */
export const nameOf = ({ centre, lease, clock, message, baseWaits }: Row): string =>
  `centre ${centre}, lease ${lease}, clock ${clock}, message ${message}${baseWaits ? ', base waits' : ''}`;
