/**
 * Every figure that the centre counts. A counter is a plain number field; Prometheus' client sees it when asked.
 *
 * Invariants: received = stored + duplicates + rejected + failed + unknownChannel + granted + refused + dropped +
 * skipped + returned + what is in hand, but for a batch that is stored while its channel closes: that counts as stored
 * and as returned.
 * Failure behaviour: none of its own.
 */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';

/** Counters: field, name, help. */
export const centralCounterTable = {
  received: ['holdfast_central_received_total', 'Messages taken over from the broker, repeats included.'],
  stored: ['holdfast_central_stored_total', 'Reports inserted into the database.'],
  duplicates: ['holdfast_central_duplicates_total', 'Reports that were in the database already; answered again.'],
  rejected: ['holdfast_central_rejected_total', 'Malformed reports, answered and kept in device_info.rejected.'],
  failed: ['holdfast_central_failed_total', 'Reports that the database refused while it took others.'],
  unknownChannel: ['holdfast_central_unknown_channel_total', 'Reports of a channel that this centre does not have.'],
  returned: ['holdfast_central_returned_total', 'Messages that went back to their queue unacknowledged.'],
  receipts: ['holdfast_central_receipts_total', 'Answers published.'],
  receiptsReturned: ['holdfast_central_receipts_returned_total', 'Answers for which the broker had no queue.'],
  takeovers: ['holdfast_central_takeovers_total', 'Times this copy has begun to read a queue.'],
  granted: ['holdfast_central_queries_granted_total', 'Authorization queries answered with a grant.'],
  refused: ['holdfast_central_queries_refused_total', 'Authorization queries answered with a refusal.'],
  dropped: [
    'holdfast_central_queries_dropped_total',
    'Authorization queries not answered in time because the database was away.',
  ],
  skipped: ['holdfast_central_skipped_total', 'Second copies of authorization queries; answered from their own queue.'],
  pushes: ['holdfast_central_pushes_total', 'Changes that a broker or gateway has taken over.'],
  pushesPutOff: ['holdfast_central_pushes_put_off_total', 'Changes that could not be brought to a gateway then.'],
  databaseFailures: ['holdfast_central_database_failures_total', 'Batches that the database did not take; repeated.'],
} as const satisfies Record<string, readonly [name: string, help: string]>;

/** Gauges: field, name, help. */
export const centralGaugeTable = {
  inHand: ['holdfast_central_in_hand', 'Messages taken over and not yet stored.'],
  lagSeconds: ['holdfast_central_lag_seconds', "From a gateway's acceptance to storage, of the report stored last."],
  databaseUp: ['holdfast_central_database_up', '1 while the database takes documents.'],
  brokerConnected: ['holdfast_central_broker_connected', '1 while connected to the broker.'],
  queuesRead: ['holdfast_central_queues_read', 'Queues that this copy reads at present.'],
} as const satisfies Record<string, readonly [name: string, help: string]>;

export type CentralCounters = { -readonly [Name in keyof typeof centralCounterTable]: number };
export type CentralGauges = { readonly [Name in keyof typeof centralGaugeTable]: () => number } & {
  readonly [Name in keyof typeof centralLabelledTable]?: () => ReadonlyMap<string, number>;
};

/** All counters at 0. */
export function createCentralCounters(): CentralCounters {
  return Object.fromEntries(Object.keys(centralCounterTable).map((name) => [name, 0])) as CentralCounters;
}

/** Gauges by key: field, name, label, help. */
export const centralLabelledTable = {
  certificateSeconds: ['holdfast_central_certificate_seconds', 'file', 'Seconds until a certificate in use ends.'],
} as const satisfies Record<string, readonly [name: string, label: string, help: string]>;

/** The figures as Prometheus reads them. `processFigures` adds those of the process, which install a sampler. */
export function centralRegistry(counters: CentralCounters, gauges: CentralGauges, processFigures: boolean): Registry {
  const registry = new Registry();
  const registers = [registry];
  for (const [field, [name, help]] of Object.entries(centralCounterTable)) {
    const collect = function (this: Counter) {
      this.reset();
      this.inc(counters[field as keyof CentralCounters]);
    };
    new Counter({ name, help, registers, collect });
  }
  for (const [field, [name, help]] of Object.entries(centralGaugeTable)) {
    const collect = function (this: Gauge) {
      this.set(gauges[field as keyof typeof centralGaugeTable]());
    };
    new Gauge({ name, help, registers, collect });
  }
  for (const [field, [name, label, help]] of Object.entries(centralLabelledTable)) {
    const read = gauges[field as keyof typeof centralLabelledTable];
    if (read === undefined) continue;
    const collect = function (this: Gauge) {
      this.reset();
      for (const [value, figure] of read()) this.set({ [label]: value }, figure);
    };
    new Gauge({ name, help, labelNames: [label], registers, collect });
  }
  if (processFigures) collectDefaultMetrics({ register: registry });
  return registry;
}
