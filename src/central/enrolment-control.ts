import { type EnrolmentSettings, readSettings } from '../enrolment/index.ts';
import { HoldfastError } from '../errors.ts';
import type { Clock } from '../platform/index.ts';
import type { DocumentStore } from '../store/index.ts';
import { issueCode } from './enrolment.ts';

/** What `holdfast enrol --new` asks of a running centre, or does itself. */
export interface EnrolmentControlRequest {
  readonly room: 'enrolment';
  readonly action: 'issue';
  readonly settings: EnrolmentSettings;
  readonly validForMs: number;
}

/** What it is told. */
export interface IssuedCode {
  /** As people copy it. */
  readonly code: string;
  /** Until when it may be used, ISO 8601. */
  readonly until: string;
}

/** True for a request to this room; what it holds is checked when it is done. */
export const isEnrolmentRequest = (request: object): request is EnrolmentControlRequest =>
  'room' in request && request.room === 'enrolment';

/** Makes a code. Throws `usage`, `database-unreachable`. */
export async function* administerEnrolment(
  { store, clock }: { readonly store: DocumentStore; readonly clock: Clock },
  { action, settings, validForMs }: EnrolmentControlRequest,
): AsyncGenerator<IssuedCode> {
  const read = readSettings(settings);
  if (action !== 'issue' || read === undefined || !Number.isSafeInteger(validForMs) || validForMs <= 0) {
    throw new HoldfastError('usage', 'there is no such action on enrolment');
  }
  const nowMs = clock.wallMs();
  const code = await issueCode(store, { settings: read, validForMs, nowMs });
  yield { code, until: new Date(nowMs + validForMs).toISOString() };
}
