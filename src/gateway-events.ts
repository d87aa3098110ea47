import type { Alarms } from './alarms.ts';
import { describeError } from './errors.ts';
import type { Clock, Logger } from './platform/index.ts';
import { laneNames, type Spool } from './spool/index.ts';

/** What the gateway says of itself, through the spool like any report, on the channel `gateway_event`. */
export class GatewayEvents {
  readonly #gatewayId: string;
  readonly #spool: () => Spool | undefined;
  readonly #alarms: Alarms;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(options: {
    gatewayId: string;
    spool: () => Spool | undefined;
    alarms: Alarms;
    clock: Clock;
    logger: Logger;
  }) {
    this.#gatewayId = options.gatewayId;
    this.#spool = options.spool;
    this.#alarms = options.alarms;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /** Reports are missing for a reason: a number in the order of acceptance stands for each. */
  gap(details: object): void {
    this.#say('gap', details);
  }

  /** From now on every change of an alarm goes upstream. */
  forwardAlarms(): void {
    this.#alarms.listen((kind, { details, subject, code, sinceMs }) => {
      this.#say(kind, { ...details, subject }, code, sinceMs);
    });
  }

  /** Raises and clears the alarm of each lane that refuses reports. */
  watchLanes(): void {
    const { logs } = this.#spool()!.status;
    for (const name of laneNames) {
      const { error } = logs[name];
      if (error === undefined) this.#alarms.clear('lane-refuses', name);
      else this.#alarms.raise('lane-refuses', { cause: error.code, text: error.message }, name);
    }
  }

  #say(
    kind: 'gap' | 'alarm' | 'alarm-cleared',
    details: object,
    code: string = kind,
    sinceMs = this.#clock.wallMs(),
  ): void {
    const spool = this.#spool();
    if (spool === undefined || !spool.isOpen) return;
    const gateway = this.#gatewayId;
    const since = new Date(sinceMs).toISOString();
    const payload = Buffer.from(JSON.stringify({ gateway, seq: spool.nextSequence, kind, code, since, details }));
    spool.append('alarm', { channel: 'gateway_event', serial: gateway, payload }).catch((error: unknown) => {
      this.#logger.warn({ kind, code, error: describeError(error) }, 'an event of the gateway could not be stored');
    });
  }
}
