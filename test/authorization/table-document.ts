import { type Centre, type Expected, expectedOf, type Row, rows } from './decision-table.ts';

const sources = { centre: 'centre', lease: 'lease', nobody: 'nobody', 'not asked': '' };

function words({ granted, error, source, afterMs, leaseAfter, late }: Expected): string {
  const answer = granted ? `"1" (${sources[source]})` : `"0" ${error}`;
  const rest = [
    leaseAfter === 'made' ? 'new lease' : leaseAfter === 'denied' ? 'denial kept' : '',
    late === undefined ? '' : `the centre's answer is told too`,
  ].filter((part) => part !== '');
  return `${answer}, ${afterMs / 1000} s${rest.length > 0 ? `; ${rest.join(', ')}` : ''}`;
}

/** What has the same outcome in every row of its kind is one line. */
export function condensedTable(): string {
  const complete = rows.filter(({ message }) => message === 'complete');
  const centres = [...new Set(complete.map(({ centre }) => centre))];
  const kindOf = ({ lease, clock }: Row) =>
    lease === 'revoked' ? 'revoked' : lease === 'valid' && clock === 'right' ? 'valid' : 'other';
  const titles = {
    valid: 'valid, clock right',
    revoked: 'revoked at the centre',
    other: 'none, expired, another identity, bad signature or seal; or valid and the clock off by a year',
  };
  const cell = (centre: Centre, kind: string, baseWaits: boolean): string => {
    const outcomes = new Set(
      complete
        .filter((row) => row.centre === centre && kindOf(row) === kind && row.baseWaits === baseWaits)
        .map((row) => words(expectedOf(row))),
    );
    if (outcomes.size !== 1) throw new Error(`${centre}, ${kind}: ${[...outcomes].join(' / ')}`);
    return [...outcomes][0]!;
  };
  const lines = ['| lease | base information | centre | answer, after, and the lease |', '| --- | --- | --- | --- |'];
  for (const [kind, title] of Object.entries(titles)) {
    for (const baseWaits of [false, true]) {
      for (const centre of centres) {
        lines.push(`| ${title} | ${baseWaits ? 'waits' : 'there'} | ${centre} | ${cell(centre, kind, baseWaits)} |`);
      }
    }
  }
  return lines.join('\n');
}

if (import.meta.main) process.stdout.write(`${condensedTable()}\n`);
