/**
 * How far an error reaches: `operation` fails one call and the caller may try again, `link` breaks a connection that
 * comes back by itself, `fatal` stops the process.
 */
export type Severity = 'operation' | 'link' | 'fatal';

/**
 * Every error code with its severity and what it means. `docs/errors.md` explains each with the next step; a test
 * compares the two lists. Programs branch on the code, never on a message.
 */
export const errorTable = {
  usage: ['fatal', 'The command line was not understood.'],
  'configuration-invalid': ['fatal', 'The configuration has at least one mistake.'],
  'port-taken': ['fatal', 'Another program listens on a configured port.'],
  'spool-locked': ['fatal', 'Another process uses this spool folder.'],
  'spool-version': ['fatal', 'The spool was written by a newer version.'],
  'spool-full': ['operation', "The lane's quota is used up."],
  'spool-record-too-large': ['operation', 'A record does not fit into a segment.'],
  'spool-write-failed': ['operation', 'The disk did not take a record.'],
  'spool-closed': ['operation', 'The spool is stopped or stopping.'],
  'spool-corrupt': ['operation', 'A part of the spool could not be read.'],
  'not-found': ['operation', 'Nothing is kept under that name or number.'],
  'gateway-unreachable': ['operation', 'The running gateway did not answer.'],
  'uplink-tls-ca': ['link', "The broker's certificate is not signed by a trusted authority."],
  'uplink-tls-expired': ['link', "The broker's certificate has expired or is not yet valid."],
  'uplink-tls-host': ['link', "The broker's certificate is for another host name."],
  'uplink-tls-client': ['link', "The broker did not accept this gateway's client certificate."],
  'uplink-refused': ['link', 'The broker refused the user, the password or the virtual host.'],
  'uplink-unreachable': ['link', 'The broker could not be reached.'],
  'uplink-closed': ['link', 'The broker closed the connection or a channel.'],
  'uplink-blocked': ['link', 'The broker has stopped taking messages (memory or disk alarm).'],
  'uplink-unroutable': ['link', 'The broker has no queue for a channel.'],
  'uplink-gateway-id-taken': ['link', 'Another gateway with the same id is connected.'],
  'uplink-no-receipt': ['link', 'The centre does not answer that reports are stored.'],
  'report-deferred': ['operation', 'The centre refuses reports of a machine for now; they wait aside.'],
  'report-quarantined': ['operation', 'A report was refused for good and is kept aside.'],
  'lane-refuses': ['operation', 'A lane of the spool takes no reports.'],
  'clock-untrusted': ['operation', 'The wall clock is not synchronized.'],
  'mqtt-anonymous': ['operation', 'The MQTT broker is open to anybody on its network.'],
  'certificate-invalid': ['operation', 'A certificate or key in a file cannot be used.'],
  'certificate-expiring': ['operation', 'A certificate ends within three weeks, or has ended.'],
  'texts-invalid': ['operation', 'The file that replaces texts has a mistake.'],
  'account-exists': ['operation', 'An account of that name exists.'],
  'account-of-centre': ['operation', 'The account comes from the centre and can only be changed there.'],
  'accounts-refused': ['operation', 'Accounts that came as from the centre were not taken over.'],
  'recent-unavailable': ['operation', 'The newest reports are not kept for queries at present.'],
  'enrolment-refused': ['operation', 'The centre did not accept the enrolment code.'],
  'enrolment-conflict': ['operation', 'This box cannot take the id that the code is for.'],
  'enrolment-untrusted': ['operation', 'The centre that was asked to enrol this box is not known to be the right one.'],
  'enrolment-unreachable': ['operation', 'The centre that was asked to enrol this box could not be reached.'],
  'database-unreachable': ['link', 'The database could not be reached.'],
  'grant-signature': ['operation', "A grant was not signed by the gateway's centre."],
  'journal-version': ['fatal', 'Leases and other state were written by a newer version.'],
  'journal-write-failed': ['operation', 'The disk did not take a lease or other state.'],
  'journal-full': ['operation', 'No more state of that kind is kept.'],
  'journal-corrupt': ['operation', 'A part of the leases or other state could not be read.'],
  'audit-write-failed': ['operation', 'The disk did not take a line of the audit log.'],
  'audit-broken': ['operation', 'The audit log was changed, or a part of it is missing.'],
  'hardware-identity-missing': ['operation', 'Nothing tells this box from another.'],
  'lease-seal-invalid': ['operation', 'Leases were not sealed by this box as it is now.'],
  'lease-clock-behind': ['operation', 'The clock is behind the last time that was known for sure.'],
  'lease-clock-set-back': ['operation', 'The clock was set back: no lease is used.'],
  'flow-restored': ['operation', 'A fresh flow ended too often; the last one that ran well was put back.'],
  'flow-engine-down': ['operation', 'The flows do not run.'],
} as const satisfies Record<string, readonly [Severity, string]>;

export type ErrorCode = keyof typeof errorTable;

/** The one error class: a code from `errorTable`, a sentence that names what to do next, and the cause. */
export class HoldfastError extends Error {
  readonly code: ErrorCode;
  readonly severity: Severity;

  constructor(code: ErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'HoldfastError';
    this.code = code;
    this.severity = errorTable[code][0];
  }
}

/** True when `error` is a HoldfastError, with that code when one is given. */
export function isHoldfastError(error: unknown, code?: ErrorCode): error is HoldfastError {
  return error instanceof HoldfastError && (code === undefined || error.code === code);
}

/** One line for a log or a terminal: the message and those of its causes. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : ` (${describeError(error.cause)})`;
  return `${error.message}${cause}`;
}
