import {
  Access,
  Broker,
  type BrokerLimits,
  type BrokerOptions,
  type Credential,
  defaultBrokerLimits,
} from '../../src/broker/index.ts';
import { HoldfastError } from '../../src/errors.ts';
import type { Delivery, Intake, IntakeAnswer } from '../../src/intake/types.ts';
import { type Counters, createCounters } from '../../src/metrics.ts';
import { silentLogger, systemClock } from '../../src/platform/index.ts';
import { createChannels, ReplyWriter, replyTopic, validateReport } from '../../src/protocols/machines/index.ts';

export const process = 'device_process_info';
export const replyOf = (serial: string) => `${process}_${serial}_res`;

/** An intake whose disk the test holds in its hand. */
export class TestIntake implements Intake {
  readonly accepted: { channel: string; payload: string }[] = [];
  /** `hold`: nothing resolves until `release`; `fail`: everything rejects. */
  mode: 'store' | 'hold' | 'fail' = 'store';
  readonly #channels = createChannels();
  readonly #replies = new ReplyWriter();
  #held: (() => void)[] = [];

  hasChannel(channel: string): boolean {
    return this.#channels.get(channel)?.owner === 'machine';
  }

  async accept(delivery: Delivery): Promise<IntakeAnswer> {
    const channel = this.#channels.get(delivery.channel)!;
    const result = validateReport(channel, delivery.payload);
    const { serial, state } = result;
    if (serial !== undefined && !delivery.mayWrite(serial)) {
      return { outcome: 'forbidden', reply: undefined, sequence: undefined };
    }
    const payload = delivery.payload.toString();
    await new Promise<void>((resolve) => (this.mode === 'hold' ? this.#held.push(resolve) : setImmediate(resolve)));
    if (this.mode === 'fail') throw new HoldfastError('spool-write-failed', 'the disk is broken');
    this.accepted.push({ channel: channel.name, payload });
    const text = result.ok ? undefined : 'malformed';
    const body = this.#replies.report({ channel, serial, state, text, time: '2024-03-18 15:30:45' });
    const reply = { topic: replyTopic(channel.name, serial), body };
    return { outcome: result.ok ? 'stored' : 'refused', reply, sequence: this.accepted.length };
  }

  get heldCount(): number {
    return this.#held.length;
  }

  /** Lets what is held go on, in the present mode. */
  release(): void {
    const held = this.#held;
    this.#held = [];
    for (const each of held) each();
  }
}

export interface Started {
  readonly broker: Broker;
  readonly intake: TestIntake;
  readonly counters: Counters;
  readonly port: number;
}

const running: Broker[] = [];

/** A broker on a free port; `stopAll` in `test.after.each` stops it. */
export async function startBroker({
  clients = [{ username: 'named', password: 'secret', serials: ['*'] }],
  anonymous = true,
  limits = {},
  options = {},
}: {
  clients?: readonly Credential[];
  anonymous?: boolean;
  limits?: Partial<BrokerLimits>;
  options?: Partial<BrokerOptions>;
} = {}): Promise<Started> {
  const intake = new TestIntake();
  const counters = createCounters();
  const clock = systemClock();
  const broker = new Broker({
    listen: { host: '127.0.0.1', plain: 0, tls: undefined },
    access: new Access({ clients, anonymous, clock, maxFailuresPerMinute: 5 }),
    intake,
    channels: ['device_base_info', process, 'device_error_info', 'device_auth'],
    mayBePlain: () => true,
    limits: { ...defaultBrokerLimits, ratePerSecond: 0, stopTimeoutMs: 300, ...limits },
    counters,
    clock,
    logger: silentLogger,
    ...options,
  });
  await broker.start();
  running.push(broker);
  return { broker, intake, counters, port: broker.ports.plain ?? 0 };
}

export async function stopAll(): Promise<void> {
  for (const broker of running.splice(0)) await broker.stop();
}
