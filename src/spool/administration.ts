/**
 * What people ask of a spool, running or stopped: one request, a stream of plain objects as the answer. The gateway
 * serves it on its control socket, the command line runs it on a folder that nobody has open.
 */
import { HoldfastError } from '../errors.ts';
import type { Clock } from '../platform/index.ts';
import { asideReason } from './put-aside.ts';
import type { DecodedRecord } from './record.ts';
import type { Spool } from './spool.ts';
import { asideNames, type LogName, laneNames } from './types.ts';

export type SpoolRequest =
  | { readonly action: 'status' }
  /** Open records of a log, or of all; filtered, at most `limit`. */
  | {
      readonly action: 'list';
      readonly log?: LogName;
      readonly channel?: string;
      readonly serial?: string;
      readonly limit?: number;
    }
  /** One open record, with its body. */
  | { readonly action: 'show'; readonly sequence: number }
  | { readonly action: 'verify' }
  /** Sends quarantined records again: one, or all. */
  | { readonly action: 'requeue'; readonly sequence?: number }
  /** Open records of a log with their bodies. */
  | { readonly action: 'export'; readonly log?: LogName };

const batch = 256;

/**
 * Answers a request. `onRequeued` is told of each record that was put back among those to be sent.
 *
 * @throws HoldfastError `not-found`, `usage`, and what reading and writing the spool throws.
 */
export async function* administer(
  spool: Spool,
  request: SpoolRequest,
  clock: Clock,
  onRequeued: (record: DecodedRecord) => void = () => {},
): AsyncGenerator<object> {
  switch (request.action) {
    case 'status':
      yield describeStatus(spool);
      return;
    case 'list': {
      let left = request.limit ?? 100;
      for await (const { log, record } of walk(spool, request.log)) {
        if (request.channel !== undefined && record.channel !== request.channel) continue;
        if (request.serial !== undefined && record.serial !== request.serial) continue;
        if (left-- <= 0) return;
        yield describe(log, record);
      }
      return;
    }
    case 'show': {
      const found = await spool.take(request.sequence);
      if (found === undefined) throw notFound(request.sequence);
      yield { ...describe(found.log, found.record), ...body(found.record) };
      return;
    }
    case 'verify':
      yield* verify(spool);
      return;
    case 'requeue':
      yield await requeue(spool, request.sequence, clock.wallMs(), onRequeued);
      return;
    case 'export':
      for await (const { log, record } of walk(spool, request.log)) yield { ...describe(log, record), ...body(record) };
      return;
    default:
      throw new HoldfastError('usage', `unknown request ${JSON.stringify((request as { action: unknown }).action)}`);
  }
}

function describeStatus(spool: Spool): object {
  const { logs, ...totals } = spool.status;
  return {
    ...totals,
    logs: Object.fromEntries(
      Object.entries(logs).map(([name, { error, ...log }]) => [name, { ...log, error: error?.message ?? null }]),
    ),
  };
}

async function* verify(spool: Spool): AsyncGenerator<object> {
  const results = await spool.verify();
  let isSound = true;
  for (const [log, result] of Object.entries(results)) {
    const { open, expected, doneMeanwhile, damaged } = result;
    if (damaged.length > 0 || open > expected || open < expected - doneMeanwhile) isSound = false;
    yield { log, ...result };
  }
  const { accepted, delivered, pending, quarantined, evicted } = spool.status;
  const adds = accepted === delivered + pending + quarantined + evicted;
  yield { sound: isSound && adds, accepted, delivered, pending, quarantined, evicted };
}

async function requeue(
  spool: Spool,
  sequence: number | undefined,
  nowMs: number,
  onRequeued: (record: DecodedRecord) => void,
): Promise<object> {
  const reason = asideReason({ wallMs: nowMs, windowMs: spool.windowMs }, 'sent again by hand');
  // What the centre refuses anew meanwhile comes back behind these.
  let left = spool.status.logs.quarantine.pending;
  let requeued = 0;
  const reader = spool.createReader('quarantine');
  try {
    while (left > 0) {
      const read = await reader.read(Math.min(batch, left));
      if (read.length === 0) break;
      left -= read.length;
      const wanted = read.filter((record) => sequence === undefined || record.sequence === sequence);
      await spool.move('quarantine', wanted, 'deferred', reason, (record) => {
        requeued++;
        onRequeued(record);
      });
    }
  } finally {
    reader.close();
  }
  if (sequence !== undefined && requeued === 0) throw notFound(sequence);
  return { requeued };
}

async function* walk(spool: Spool, only: LogName | undefined): AsyncGenerator<{ log: LogName; record: DecodedRecord }> {
  const names = only === undefined ? ([...laneNames, 'deferred', 'quarantine'] as const) : [only];
  for (const log of names) {
    if (![...laneNames, ...asideNames].includes(log)) throw new HoldfastError('usage', `there is no log ${log}`);
    const reader = spool.createReader(log);
    try {
      for (;;) {
        const records = await reader.read(batch);
        if (records.length === 0) break;
        for (const record of records) yield { log, record };
      }
    } finally {
      reader.close();
    }
  }
}

function describe(log: LogName, record: DecodedRecord): object {
  const { sequence, channel, serial, boot, wallMs, clockTrusted, previous, reason, payload } = record;
  return {
    sequence,
    log,
    channel,
    serial,
    acceptedAt: new Date(wallMs).toISOString(),
    clockTrusted,
    boot,
    previous: previous ?? null,
    ...(reason !== undefined && { reason }),
    bytes: payload.length,
  };
}

/** As text where it is text, so that people can read it; else in base64. */
function body({ payload }: DecodedRecord): object {
  const text = payload.toString('utf8');
  return Buffer.from(text).equals(payload) ? { body: text } : { bodyBase64: payload.toString('base64') };
}

const notFound = (sequence: number) =>
  new HoldfastError(
    'not-found',
    `no waiting report has the sequence ${sequence}; 'holdfast spool list' shows which do`,
  );
