/**
 * The reckoning after a campaign: what the machines were told, what the box says, what the database holds.
 */

import { MongoClient } from 'mongodb';
import { until } from '../until.ts';
import type { Box, SpoolTotals } from './box.ts';
import type { Load, LoadState } from './load.ts';
import { channelNames, channels, fillingOf } from './machine-reports.ts';

/** The part of a stored document that is looked at. */
interface Stored {
  readonly _id: string;
  readonly _seq: bigint | number;
  readonly _prev?: bigint | number;
  readonly n?: bigint | number;
  readonly filling?: string;
  readonly _received: Date;
  readonly 序列号?: string;
}

export interface AuditOptions {
  readonly box: Box;
  readonly mongodb: string;
  readonly load: Load;
  /** What the load generator said when it ended. */
  readonly sent: LoadState;
  /**
   * False where the broker was killed: it may keep a later message of a connection and lose an earlier one that it had
   * not confirmed. Then the first copies need not be inserted in order; `_seq` still is the order.
   */
  readonly insertedInOrder?: boolean;
  /** False over MQTT, which carries no headers: the documents have no `_prev`. */
  readonly hasPrevious?: boolean;
}

/** What was found. `problems` must be empty; it holds at most 20. */
export interface Audit {
  readonly problems: string[];
  readonly totals: SpoolTotals;
  readonly acknowledged: number;
  readonly documents: number;
  /** Documents of reports that no machine was told about. */
  readonly unacknowledged: number;
  /** The gateway's own events among the documents. */
  readonly events: number;
}

/**
 * Waits until the box has delivered everything, compares, stops the box, and reads its spool through. The box must be
 * running with its way to the centre open.
 */
export async function audit(options: AuditOptions): Promise<Audit> {
  const { box, mongodb, load, sent } = options;
  const problems: string[] = [...sent.mistakes];
  const note = (text: string) => {
    if (problems.length < 20) problems.push(text);
  };
  const gateway = (await box.health()).gateway!;
  const client = new MongoClient(mongodb, { useBigInt64: true });
  try {
    let totals!: SpoolTotals;
    let documents = 0;
    // An alarm that ends may add an event of the gateway's own after the last report: until nothing more comes.
    await until(
      async () => {
        // A line that was cut again and again is tried again after up to half a minute.
        await box.drained(90_000);
        totals = await box.totals();
        documents = await countAll(client, gateway);
        return totals.pending === 0 && (await box.totals()).accepted === totals.accepted;
      },
      'the box is at rest',
      90_000,
    );
    const { accepted, delivered, pending, quarantined, evicted } = totals;
    const ledger = `accepted ${accepted}, delivered ${delivered}, pending ${pending}, quarantined ${quarantined}, evicted ${evicted}, in the database ${documents}`;
    if (accepted !== delivered + pending + quarantined + evicted) note(`the ledger does not add up: ${ledger}`);
    if (delivered !== documents) note(`box and centre differ: ${ledger}`);
    if (quarantined + evicted > 0) note(`something was given up: ${ledger}`);
    const rejected = await client
      .db('device_info')
      .collection<Rejected>('rejected')
      .countDocuments({ _gateway: gateway });
    if (rejected > 0) note(`${rejected} rejected at the centre`);

    const told = new Map<string, Set<number>>();
    for (const [serial, channel, n] of load.journal) {
      const key = `${serial} ${channel}`;
      const numbers = told.get(key) ?? new Set();
      if (numbers.has(n)) note(`${key}: the load generator counted ${n} twice`);
      numbers.add(n);
      told.set(key, numbers);
    }
    let unacknowledged = 0;
    const sequences = new Set<number>();
    for (const channel of channelNames) {
      const { database, collection } = channels[channel];
      const found = await read(client, database, collection, gateway);
      const bySerial = Map.groupBy(found, ({ 序列号 }) => 序列号 ?? '');
      for (const serial of new Set([...bySerial.keys(), ...Object.keys(sent.sent)])) {
        const key = `${serial} ${channel}`;
        const own = bySerial.get(serial) ?? [];
        const acknowledged = told.get(key) ?? new Set();
        unacknowledged += own.length - acknowledged.size;
        compare(key, own, acknowledged, sent.sent[serial]?.[channel] ?? 0, note);
        inOrder(key, own, options, sequences, note);
      }
    }
    const events = await read(client, 'gateway', 'event', gateway);
    inOrder('gateway_event', events, options, sequences, note);

    await box.stop();
    const verified = await box.spool<{ sound?: boolean; accepted?: number; delivered?: number }>('verify');
    const last = verified.at(-1);
    // The control socket is closed before the uplink is: an event may still come and go.
    if (last?.sound !== true) note(`spool verify: ${JSON.stringify(last)}`);
    return { problems, totals, acknowledged: load.journal.length, documents, unacknowledged, events: events.length };
  } finally {
    await client.close();
  }
}

interface Rejected {
  readonly _gateway: string;
}

/** Each acknowledged report once, no other more than once, and nothing that nobody sent. */
function compare(
  key: string,
  found: readonly Stored[],
  acknowledged: ReadonlySet<number>,
  newest: number,
  note: (text: string) => void,
): void {
  const numbers = new Map<number, Stored>();
  const shown = ({ _id, _received }: Stored) => `${_id} of ${_received.toISOString()}`;
  for (const each of found) {
    const { n, _id, filling } = each;
    const number = Number(n);
    const first = numbers.get(number);
    if (first) note(`${key}: report ${number} is stored twice (${shown(first)}, ${shown(each)})`);
    if (!(number >= 1 && number <= newest)) note(`${key}: report ${number} was never sent (${_id})`);
    if (filling?.length !== fillingOf(number)) note(`${key}: report ${number} is not what was sent (${_id})`);
    numbers.set(number, each);
  }
  const missing = [...acknowledged].filter((n) => !numbers.has(n));
  if (missing.length > 0) note(`${key}: acknowledged and lost: ${missing.slice(0, 10).join(', ')} (${missing.length})`);
}

/** `_seq` orders as the machine sent, `_prev` names the one before, and first copies came in that order. */
function inOrder(
  key: string,
  found: readonly Stored[],
  { insertedInOrder = true, hasPrevious = true }: Pick<AuditOptions, 'insertedInOrder' | 'hasPrevious'>,
  sequences: Set<number>,
  note: (text: string) => void,
): void {
  let before: Stored | undefined;
  for (const each of found.toSorted((a, b) => Number(a._seq) - Number(b._seq))) {
    const sequence = Number(each._seq);
    if (sequences.has(sequence)) note(`${key}: two documents have the sequence ${sequence}`);
    sequences.add(sequence);
    if (before !== undefined && Number(each.n) <= Number(before.n)) {
      note(`${key}: out of order, ${before.n} before ${each.n} (sequence ${sequence})`);
    }
    if (hasPrevious && Number(each._prev ?? 0) !== Number(before?._seq ?? 0)) {
      note(`${key}: sequence ${sequence} names ${each._prev} as the one before it, that is ${before?._seq}`);
    }
    before = each;
  }
  if (!insertedInOrder) return;
  for (const [index, each] of found.entries()) {
    const earlier = found[index - 1];
    if (earlier !== undefined && earlier._seq > each._seq) {
      note(
        `${key}: sequence ${each._seq} (${each._received.toISOString()}) was inserted after ${earlier._seq} (${earlier._received.toISOString()})`,
      );
    }
  }
}

/** In the order of insertion. */
async function read(client: MongoClient, database: string, collection: string, gateway: string): Promise<Stored[]> {
  return (await client
    .db(database)
    .collection(collection)
    .find({ _gateway: gateway }, { projection: { _seq: 1, _prev: 1, n: 1, filling: 1, _received: 1, 序列号: 1 } })
    .toArray()) as unknown as Stored[];
}

async function countAll(client: MongoClient, gateway: string): Promise<number> {
  let count = 0;
  for (const { database, collection } of [...Object.values(channels), { database: 'gateway', collection: 'event' }]) {
    count += await client.db(database).collection(collection).countDocuments({ _gateway: gateway });
  }
  return count;
}

/** A line for the log. */
export function figures({ acknowledged, documents, unacknowledged, events, totals }: Audit, sent: LoadState): string {
  return [
    `${acknowledged} acknowledged`,
    `${documents} documents (${unacknowledged} of unacknowledged reports, ${events} events)`,
    `${sent.forgotten} forgotten by their machines`,
    `${sent.repeated} sent again after their acknowledgement`,
    `${sent.connections} connections`,
    `accepted ${totals.accepted} = delivered ${totals.delivered}`,
  ].join(', ');
}
