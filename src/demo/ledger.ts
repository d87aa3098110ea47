import type { DocumentCount } from './documents.ts';

/** The gateway's totals, which survive its restarts. */
export interface Ledger {
  readonly accepted: number;
  readonly delivered: number;
  readonly pending: number;
  readonly quarantined: number;
  readonly evicted: number;
}

/** What an audit compares: before the machines were switched on, and after everything has stopped. */
export interface AuditInput {
  readonly before: DocumentCount;
  readonly after: DocumentCount;
  readonly ledger: Ledger;
  /** Reports of machines that the gateway acknowledged in between. */
  readonly acknowledged: number;
  /** Wrong replies, and reports without any answer. */
  readonly wrong: number;
}

/** What does not add up, a sentence each; nothing when no report was lost and none is there twice. */
export function audit({ before, after, ledger, acknowledged, wrong }: AuditInput): string[] {
  const { accepted, delivered, pending, quarantined, evicted } = ledger;
  const problems: string[] = [];
  const sum = delivered + pending + quarantined + evicted;
  if (accepted !== sum) problems.push(`accepted ${accepted}, but delivered, pending and set aside are ${sum}`);
  if (after.total < delivered) problems.push(`delivered ${delivered}, but only ${after.total} are in the database`);
  // What is in the database while its receipt was cut off is still pending; it will be sent again, and stored once.
  if (after.total > delivered + pending) {
    problems.push(`${after.total} are in the database, but only ${delivered} delivered and ${pending} pending`);
  }
  const kept = after.machines - before.machines + pending + quarantined + evicted;
  if (kept < acknowledged) problems.push(`acknowledged ${acknowledged} to machines, but kept only ${kept}`);
  if (after.twice > 0) problems.push(`${after.twice} are in the database twice`);
  if (wrong > 0) problems.push(`${wrong} reports were answered wrong or not at all`);
  return problems;
}
