/**
 * What `holdfast lease` and `holdfast audit` ask, of a running gateway on its control socket or of a stopped box: one
 * request, a stream of plain objects as the answer.
 */
import { HoldfastError } from '../errors.ts';
import { isSerial } from '../protocols/machines/index.ts';
import { showAudit, verifyAudit } from './audit-verify.ts';
import type { ListedEntry } from './lease-book.ts';
import type { AuthorizationState } from './state.ts';

export type AuthorizationRequest =
  | { readonly room: 'authorization'; readonly action: 'lease-list' }
  | { readonly room: 'authorization'; readonly action: 'lease-show'; readonly serial: string }
  | { readonly room: 'authorization'; readonly action: 'lease-revoke'; readonly serial: string }
  /** `forceLegacy`: also leases that no signature vouches for. */
  | { readonly room: 'authorization'; readonly action: 'lease-rebind'; readonly forceLegacy?: boolean }
  | { readonly room: 'authorization'; readonly action: 'audit-verify' }
  | {
      readonly room: 'authorization';
      readonly action: 'audit-show';
      readonly serial?: string;
      readonly limit?: number;
    };

/** True for a request to this room; what it holds is checked when it is done. */
export const isAuthorizationRequest = (request: object): request is AuthorizationRequest =>
  'room' in request && request.room === 'authorization';

/** True when a request changes something: a stopped box is opened for reading only for the others. */
export const changesSomething = ({ action }: AuthorizationRequest): boolean =>
  action === 'lease-revoke' || action === 'lease-rebind';

const mostShown = 10_000;

/**
 * Does what was asked. What it changes is on disk, and in the audit log, when it ends.
 *
 * @throws HoldfastError `not-found`, `usage`, and what the disk does not take.
 */
export async function* administerAuthorization(
  state: AuthorizationState,
  request: AuthorizationRequest,
): AsyncGenerator<object> {
  switch (request.action) {
    case 'lease-list':
      for (const entry of state.leases.list()) yield describe(entry);
      return;
    case 'lease-show': {
      const serial = serialIn(request);
      for (const entry of state.leases.list()) {
        if (entry.serial !== serial) continue;
        yield describe(entry);
        return;
      }
      throw new HoldfastError('not-found', `nothing is known of ${serial}; 'holdfast lease list' shows what is`);
    }
    case 'lease-revoke': {
      const serial = serialIn(request);
      if (!(await state.leases.revoke(serial))) {
        throw new HoldfastError('not-found', `${serial} has no lease; 'holdfast lease list' shows which have`);
      }
      await state.audit.append('revoked', { serial, by: 'command' });
      yield { serial, revoked: true, until: 'the centre grants it again' };
      return;
    }
    case 'lease-rebind': {
      const forceLegacy = request.forceLegacy === true;
      // Before, so that it cannot be done without a trace.
      await state.audit.append('rebind', { forceLegacy, hardware: state.hardwareSource });
      const { sealed, left } = await state.rebind({ forceLegacy });
      await state.audit.append('rebound', { sealed, left: left.length });
      yield { sealed, left };
      return;
    }
    case 'audit-verify':
      yield await verifyAudit(state.auditSource);
      return;
    case 'audit-show': {
      const { limit = 100, serial } = request;
      if (!Number.isSafeInteger(limit) || limit < 1 || limit > mostShown) {
        throw new HoldfastError('usage', `limit: a whole number from 1 to ${mostShown}`);
      }
      const which = typeof serial === 'string' ? { serial, limit } : { limit };
      for (const record of await showAudit(state.auditSource, which)) yield record;
      return;
    }
    default:
      throw new HoldfastError('usage', 'there is no such action on authorization');
  }
}

function serialIn({ serial }: { readonly serial: string }): string {
  if (isSerial(serial)) return serial;
  throw new HoldfastError('usage', 'a 序列号 has 1 to 64 of the characters A-Z a-z 0-9 _ -');
}

function describe({ serial, entry, state, endsAtMs }: ListedEntry): object {
  if (entry === undefined) return { serial, state, kind: 'unreadable' };
  const version = entry.version ?? null;
  if (entry.kind === 'denial') {
    const { atMs, by, text } = entry;
    return { serial, state, kind: 'denial', at: iso(atMs), by, text: text ?? null, version };
  }
  const { model, name, address, customer } = entry.identity;
  const { until, grantedAtMs, source } = entry;
  return {
    serial,
    state,
    kind: 'lease',
    ends: endsAtMs === undefined ? null : iso(endsAtMs),
    until: until ?? null,
    granted: iso(grantedAtMs),
    source,
    version,
    model,
    name,
    address,
    customer,
  };
}

const iso = (ms: number): string => {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? 'unknown' : date.toISOString();
};
