/**
 * Every figure that the gateway counts, in one table each for counters, counters by label, and gauges.
 *
 * Invariants: a counter is a plain number field and counting is `counters.x++`; Prometheus' client sees the figures
 * only when somebody asks for them. Whatever is lost, dropped, refused or repeated is counted.
 * Failure behaviour: none of its own; a gauge whose function throws fails the scrape, not the gateway.
 */
import type { Counter, Gauge, Registry } from 'prom-client';

/** Counters without a label: field, name, help. */
export const counterTable = {
  reportsAccepted: ['holdfast_reports_accepted_total', 'Reports appended to the spool.'],
  reportsDelivered: ['holdfast_reports_delivered_total', 'Reports that the centre has in its database.'],
  reportsSentAgain: ['holdfast_reports_sent_again_total', 'Reports sent to the centre again.'],
  receiptsUnmatched: ['holdfast_receipts_unmatched_total', 'Answers of the centre to nothing that is under way.'],
  reportsEvicted: ['holdfast_reports_evicted_total', 'Reports dropped because a lane or a log was full.'],
  reportsRepeated: [
    'holdfast_reports_repeated_total',
    'Reports that machines sent again and that were stored already.',
  ],
  reportsForgotten: ['holdfast_repeat_window_forgotten_total', 'Fingerprints of reports that were forgotten early.'],
  unknownStates: ['holdfast_unknown_states_total', 'Reports with a state that is not in the contract.'],
  unknownLevels: ['holdfast_unknown_levels_total', 'Reports with a level that is not in the contract.'],
  storeFailures: ['holdfast_store_failures_total', 'Reports that could not be stored and were not acknowledged.'],
  spoolWrittenBytes: ['holdfast_spool_written_bytes_total', 'Bytes written to the spool.'],
  mqttConnections: ['holdfast_mqtt_connections_total', 'MQTT connections accepted.'],
  mqttPublishes: ['holdfast_mqtt_publishes_total', 'MQTT messages received.'],
  mqttMessagesDropped: [
    'holdfast_mqtt_messages_dropped_total',
    'Replies dropped because their reader was full or slow.',
  ],
  mqttSessionsForgotten: ['holdfast_mqtt_sessions_forgotten_total', 'Sessions of absent clients that were forgotten.'],
  authorizationQueries: ['holdfast_authorization_queries_total', 'Authorization queries of machines.'],
  authorizationSent: ['holdfast_authorization_sent_total', 'Authorization queries sent to the centre.'],
  authorizationLate: [
    'holdfast_authorization_late_total',
    "Answers of the centre that came after the machine's question was answered.",
  ],
  authorizationLogLost: [
    'holdfast_authorization_log_lost_total',
    'Lines of authorization that stand in the audit log alone.',
  ],
  authorizationAnswers: [
    'holdfast_authorization_answer_seconds_count',
    'Questions of machines that were answered; with the sum, the mean time.',
  ],
  authorizationSeconds: ['holdfast_authorization_answer_seconds_sum', 'Seconds until machines were answered, in all.'],
  mqttPauses: ['holdfast_mqtt_pauses_total', 'Times a client was made to wait because it was over its rate.'],
  localRepeated: ['holdfast_local_repeated_total', 'Reports that flows sent again and that were stored already.'],
  flowMessagesHeld: [
    'holdfast_flow_messages_held_total',
    'Messages of flows that were kept while a flow was replaced.',
  ],
  flowMessagesDropped: [
    'holdfast_flow_messages_dropped_total',
    'Messages of flows that could not be kept while a flow was replaced.',
  ],
  recentPassedOver: [
    'holdfast_recent_passed_over_total',
    'Reports not kept for queries: too many at once, or too large.',
  ],
} as const satisfies Record<string, readonly [name: string, help: string]>;

/** Counters with one label: field, name, label, help. */
export const labelledTable = {
  reportsRefused: ['holdfast_reports_refused_total', 'reason', 'Messages that were refused.'],
  mqttClosed: ['holdfast_mqtt_closed_total', 'reason', 'MQTT connections that the gateway closed.'],
  mqttRefused: ['holdfast_mqtt_refused_total', 'reason', 'MQTT logins, subscriptions and wills that were refused.'],
  authorizationAnswered: [
    'holdfast_authorization_answers_total',
    'answer',
    'Answers to authorization queries, by outcome and by whom.',
  ],
  authorizationRefused: [
    'holdfast_authorization_refused_total',
    'reason',
    'Authorization queries that were too many and were not asked.',
  ],
  authorizationIgnored: [
    'holdfast_authorization_ignored_total',
    'reason',
    'Answers of the centre that were not taken for one.',
  ],
  authorizationChanges: [
    'holdfast_authorization_changes_total',
    'outcome',
    'Changes of authorizations that the centre pushed.',
  ],
  localRequests: ['holdfast_local_requests_total', 'kind', 'What flows asked of the gateway.'],
  localFailed: [
    'holdfast_local_failed_total',
    'code',
    'Requests of flows that failed, and their reports that were lost.',
  ],
  flowEngineRestarts: [
    'holdfast_flow_engine_restarts_total',
    'reason',
    'Times the flow engine ended unasked and was started again.',
  ],
  httpAnswers: ['holdfast_http_answers_total', 'status', 'HTTP requests answered.'],
} as const satisfies Record<string, readonly [name: string, label: string, help: string]>;

/** Gauges: field, name, label or undefined, help. The rooms that know them give functions to `Metrics`. */
export const gaugeTable = {
  reportsQuarantined: ['holdfast_reports_quarantined_total', undefined, 'Reports kept aside, refused for good.'],
  reportsDeferred: ['holdfast_reports_deferred', undefined, 'Reports kept aside, refused for now.'],
  spoolPending: ['holdfast_spool_pending', 'lane', 'Reports on disk that the centre has not got.'],
  spoolBytes: ['holdfast_spool_bytes', 'lane', 'Bytes on disk.'],
  uplinkConnected: ['holdfast_uplink_connected', undefined, '1 while connected to the centre.'],
  uplinkUnderWay: ['holdfast_uplink_under_way', undefined, 'Reports sent and not receipted.'],
  alarmActive: ['holdfast_alarm_active', 'code', '1 for each alarm that is active.'],
  mqttConnected: ['holdfast_mqtt_connected', undefined, 'MQTT connections at present.'],
  mqttAbsentSessions: ['holdfast_mqtt_absent_sessions', undefined, 'Sessions kept for clients that are away.'],
  authorizationOpen: ['holdfast_authorization_open', undefined, 'Questions of machines that are not answered yet.'],
  flowEngineUp: ['holdfast_flow_engine_up', undefined, '1 while the flow engine runs its flows.'],
  flowEngineBytes: ['holdfast_flow_engine_resident_bytes', undefined, 'Memory of the flow engine.'],
  certificateSeconds: ['holdfast_certificate_seconds', 'file', 'Seconds until a certificate in use ends.'],
} as const satisfies Record<string, readonly [name: string, label: string | undefined, help: string]>;

/** The counters as plain fields. A field with a label counts by its values, which the code chooses, never a client. */
export type Counters = { -readonly [Name in keyof typeof counterTable]: number } & {
  readonly [Name in keyof typeof labelledTable]: Map<string, number>;
};

/** What a gauge's function returns: a number, or one for each value of its label. */
export type GaugeValue = number | ReadonlyMap<string, number>;
export type Gauges = { [Name in keyof typeof gaugeTable]?: () => GaugeValue };

/** New counters, all 0. */
export function createCounters(): Counters {
  const counters: Record<string, number | Map<string, number>> = {};
  for (const name of Object.keys(counterTable)) counters[name] = 0;
  for (const name of Object.keys(labelledTable)) counters[name] = new Map();
  return counters as Counters;
}

/** Adds one to a counter with a label. */
export function countBy(counter: Map<string, number>, label: string): void {
  counter.set(label, (counter.get(label) ?? 0) + 1);
}

/** What the figures are made of. */
export interface MetricsOptions {
  readonly counters: Counters;
  readonly gauges: Gauges;
  /** Adds those of the process (memory, event loop), which install a sampler when the figures are first asked for. */
  readonly processFigures?: boolean;
}

/** The figures in Prometheus' text format. Prometheus' client is loaded when they are first asked for. */
export class Metrics {
  /** The content type that goes with `text`. */
  readonly contentType = 'text/plain; version=0.0.4; charset=utf-8';
  readonly #options: MetricsOptions;
  #registry: Promise<Registry> | undefined;

  constructor(options: MetricsOptions) {
    this.#options = options;
  }

  /** Collects and writes all figures. */
  async text(): Promise<string> {
    this.#registry ??= createRegistry(this.#options);
    return await (await this.#registry).metrics();
  }
}

async function createRegistry({ counters, gauges, processFigures = false }: MetricsOptions): Promise<Registry> {
  const { Counter, collectDefaultMetrics, Gauge, Registry } = await import('prom-client');
  const registry = new Registry();
  const registers = [registry];
  for (const [field, [name, help]] of Object.entries(counterTable)) {
    const collect = function (this: Counter) {
      this.reset();
      this.inc(counters[field as keyof typeof counterTable]);
    };
    new Counter({ name, help, registers, collect });
  }
  for (const [field, [name, label, help]] of Object.entries(labelledTable)) {
    const values = counters[field as keyof typeof labelledTable];
    const collect = function (this: Counter) {
      this.reset();
      for (const [value, count] of values) this.inc({ [label]: value }, count);
    };
    new Counter({ name, help, labelNames: [label], registers, collect });
  }
  for (const [field, [name, label, help]] of Object.entries(gaugeTable)) {
    const read = gauges[field as keyof Gauges];
    if (read === undefined) continue;
    const collect = function (this: Gauge) {
      this.reset();
      const value = read();
      if (typeof value === 'number') this.set(value);
      else for (const [key, count] of value) this.set({ [label ?? 'label']: key }, count);
    };
    new Gauge({ name, help, labelNames: label === undefined ? [] : [label], registers, collect });
  }
  if (processFigures) collectDefaultMetrics({ register: registry });
  return registry;
}
