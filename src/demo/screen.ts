import type { WriteStream } from 'node:tty';
import { styleText } from 'node:util';
import type { DemoAddresses, DemoResult, DemoState } from './demo.ts';

/** Where the demo writes: a terminal, or anything that takes text. */
export type Output = Pick<WriteStream, 'write'> & { readonly isTTY?: boolean; readonly columns?: number };

const erase = '\r\u001b[K';

/** Prints lines, and below them on a terminal one that changes; elsewhere that one is a line like the others. */
export class Screen {
  readonly #output: Output;
  #live = '';

  constructor(output: Output) {
    this.#output = output;
  }

  print(text: string): void {
    if (!this.#output.isTTY) this.#output.write(`${text}\n`);
    else this.#output.write(`${erase}${text}\n${this.#live}`);
  }

  /** Shows the state. */
  show(state: DemoState): void {
    const { isTTY, columns = 120 } = this.#output;
    if (!isTTY) {
      this.#output.write(`${liveLine(state)}\n`);
      return;
    }
    const line = liveLine(state).slice(0, columns - 1);
    this.#live = line.replace(/uplink down|gateway down/g, (word) => styleText('red', word));
    this.#output.write(`${erase}${this.#live}`);
  }

  /** Leaves the last state where it is; what follows stands below it. */
  endLive(): void {
    if (this.#live !== '') this.#output.write('\n');
    this.#live = '';
  }
}

/** One line: the ledger of the gateway, the count of the centre, the link, the alarms. */
export function liveLine({ gateway, stored, isCut, machines, byLease }: DemoState): string {
  if (gateway === undefined) return `gateway down  in the database ${stored}`;
  const { accepted, pending, delivered, quarantined, evicted } = gateway.ledger;
  return [
    `accepted ${accepted}`,
    `pending ${pending}`,
    `delivered ${delivered}`,
    ...(quarantined > 0 ? [`quarantined ${quarantined}`] : []),
    ...(evicted > 0 ? [`evicted ${evicted}`] : []),
    `in the database ${stored}`,
    gateway.isUplinkUp ? 'uplink up' : `uplink down${isCut ? ' (cut)' : ''}`,
    gateway.alarms.length === 0 ? 'no alarm' : `alarms: ${[...new Set(gateway.alarms)].join(', ')}`,
    `authorization granted ${machines.granted} (${byLease} by lease)${machines.denied > 0 ? `, refused ${machines.denied}` : ''}`,
  ].join('  ');
}

/** What there is to see and where. */
export function welcome(addresses: DemoAddresses): string {
  const { http, mqtt, central, editor, documents, logs, username, password, query } = addresses;
  return [
    '',
    `  gateway    ${http}/healthz   ${http}/metrics   ${mqtt}`,
    `  centre     ${central}/healthz`,
    ...(editor === undefined ? [] : [`  flows      ${editor}   (the editor; the user below logs in)`]),
    `  documents  ${documents}`,
    `  logs       ${logs}`,
    `  user       ${username}, password ${password} until the next start: for reports of your own, and for queries such as`,
    '',
    `  ${query}`,
    '',
  ].join('\n');
}

/** How it ended, in words. */
export function summary({ ledger, documents, machines, problems }: DemoResult): string {
  const { sent, acknowledged, repeated, asked, granted, denied } = machines;
  const lines = [`The printers sent ${sent} reports; ${acknowledged} were acknowledged, ${repeated} sent again.`];
  if (asked > 0) lines.push(`They asked ${asked} times whether they may print: ${granted} granted, ${denied} refused.`);
  if (ledger !== undefined) {
    const { accepted, delivered, pending, quarantined, evicted } = ledger;
    lines.push(
      `accepted ${accepted} = delivered ${delivered} + pending ${pending} + quarantined ${quarantined} + evicted ${evicted}`,
      `documents in the database: ${documents.total}${documents.twice === 0 ? ', none of them twice' : ''}`,
    );
    if (pending > 0) lines.push(`${pending} are safe on disk and go on at the next start.`);
  }
  for (const problem of problems) lines.push(`LOST OR WRONG: ${problem}`);
  if (problems.length === 0) lines.push('Nothing was lost.');
  return lines.join('\n');
}
