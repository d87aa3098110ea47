/** Leases and denials as they stand in the journal: `{entry, seal}` under `lease/<序列号>`. */
import { isSerial } from '../protocols/machines/index.ts';
import type { Sealer } from './seal.ts';
import type { Denial, Lease } from './types.ts';

const prefix = 'lease/';

/** The key of a machine's entry. */
export const entryKey = (serial: string): string => `${prefix}${serial}`;

/** The machine that a key is about; undefined for a key of something else. */
export function serialOfKey(key: string): string | undefined {
  const serial = key.startsWith(prefix) ? key.slice(prefix.length) : undefined;
  return isSerial(serial) ? serial : undefined;
}

/** 序列号 of an entry. */
export const serialOf = (entry: Lease | Denial): string =>
  entry.kind === 'lease' ? entry.identity.serial : entry.serial;

/** What the journal keeps of an entry. */
export function sealEntry(entry: Lease | Denial, gatewayId: string, sealer: Sealer): object {
  return { entry, seal: sealer.seal('lease', sealedValues(entry, gatewayId)) };
}

/** True when this box, as it is now, has sealed this entry for this gateway. */
export function isSealedEntry(entry: Lease | Denial, seal: unknown, gatewayId: string, sealer: Sealer): boolean {
  return sealer.isSealed('lease', sealedValues(entry, gatewayId), seal);
}

/** Reads what the journal keeps; undefined when it is not of that shape, or about another machine than its key says. */
export function readEntry(serial: string, value: unknown): { entry: Lease | Denial; seal: unknown } | undefined {
  const { entry, seal } = (value ?? {}) as { entry?: Record<string, unknown>; seal?: unknown };
  const read = entry?.kind === 'lease' ? readLease(entry) : entry?.kind === 'denial' ? readDenial(entry) : undefined;
  return read !== undefined && serialOf(read) === serial ? { entry: read, seal } : undefined;
}

function readLease(raw: Record<string, unknown>): Lease | undefined {
  const { source, version, grantedAtMs } = raw;
  const { serial, model, name, address, customer } = (raw.identity ?? {}) as Record<string, unknown>;
  const fields = { serial, model, name, address, customer };
  if (!areTexts(fields) || (source !== 'signed' && source !== 'legacy')) return undefined;
  const { until, grantedAt, signature } = raw;
  if (typeof grantedAtMs !== 'number' || !Number.isFinite(grantedAtMs)) return undefined;
  if (!isTextOrNone(until) || !isTextOrNone(grantedAt) || !isTextOrNone(signature) || !isVersion(version))
    return undefined;
  return { kind: 'lease', identity: fields, until, grantedAtMs, source, version, grantedAt, signature };
}

function readDenial(raw: Record<string, unknown>): Denial | undefined {
  const { serial, atMs, version, grantedAt, by, text } = raw;
  if (typeof serial !== 'string' || typeof atMs !== 'number' || !Number.isFinite(atMs)) return undefined;
  if (!isVersion(version) || !isTextOrNone(grantedAt) || !isTextOrNone(text)) return undefined;
  if (by !== 'centre' && by !== 'command' && by !== 'damage') return undefined;
  return { kind: 'denial', serial, atMs, version, grantedAt, by, text };
}

const isTextOrNone = (value: unknown): value is string | undefined => value === undefined || typeof value === 'string';
const isVersion = (value: unknown): value is number | undefined => value === undefined || Number.isSafeInteger(value);
const areTexts = <Key extends string>(fields: Record<Key, unknown>): fields is Record<Key, string> =>
  Object.values(fields).every((value) => typeof value === 'string' && value !== '');

function sealedValues(entry: Lease | Denial, gatewayId: string): (string | number | null)[] {
  if (entry.kind === 'denial') {
    const { serial, atMs, version, grantedAt, by, text } = entry;
    return ['denial', gatewayId, serial, atMs, version ?? null, grantedAt ?? null, by, text ?? null];
  }
  const { identity, until, grantedAtMs, source, version, grantedAt, signature } = entry;
  const { serial, model, name, address, customer } = identity;
  return [
    'lease',
    gatewayId,
    serial,
    model,
    name,
    address,
    customer,
    until ?? null,
    grantedAtMs,
    source,
    version ?? null,
    grantedAt ?? null,
    signature ?? null,
  ];
}
