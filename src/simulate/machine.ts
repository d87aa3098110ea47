import type { Clock, SiteTime } from '../platform/index.ts';
import { authorizationChannel } from '../protocols/machines/index.ts';
import type { Door, DoorListener } from './door.ts';
import type { Figures } from './figures.ts';
import { makeIdentity } from './identity.ts';
import { life } from './life.ts';
import { Outbox } from './outbox.ts';
import { pause } from './pause.ts';
import { Permission } from './permission.ts';
import { type Random, seededRandom } from './random.ts';
import { ReportWriter, reportChannels } from './report-writer.ts';

/** What a machine is made of. */
export interface MachineOptions {
  readonly serial: string;
  /** From 1; decides where the machine stands. */
  readonly number: number;
  /** Decides everything else about it. */
  readonly seed: number;
  /** How many times faster than a real machine it lives; 0: without any pause. */
  readonly speed: number;
  readonly layers: number;
  /** Reports under way on each channel. */
  readonly inflight: number;
  readonly replyTimeoutMs: number;
  /** Asks before each job whether it may print; else it just prints. */
  readonly authorize: boolean;
  readonly createDoor: (listener: DoorListener, random: Random) => Door;
  readonly figures: Figures;
  /** Asked before each report; false ends the machine's life. */
  readonly mayReport: () => boolean;
  readonly onWrong: (sentence: string) => void;
  readonly onLost: (error: Error) => void;
  readonly siteTime: SiteTime;
  readonly clock: Clock;
}

/** Seconds of the machine's life after which it asks again whether it may print, and ms at least. */
const askAgain = { seconds: 120, leastMs: 2000 };

/** A simulated printer: lives, reports, and checks what it is answered. */
export class Machine {
  readonly #options: MachineOptions;
  readonly #door: Door;
  readonly #outboxes: ReadonlyMap<string, Outbox>;
  readonly #writer: ReportWriter;
  readonly #permission: Permission | undefined;
  readonly #random: Random;
  readonly #stopping = new AbortController();
  #living: Promise<void> | undefined;

  constructor(options: MachineOptions) {
    const { serial, number, seed, siteTime, clock, figures, onLost } = options;
    this.#options = options;
    // Two sequences: a machine must live the same life however often its connection is lost.
    this.#random = seededRandom(seed);
    const identity = makeIdentity(serial, number, this.#random);
    this.#writer = new ReportWriter({ identity, siteTime, clock });
    const listener: DoorListener = {
      onReply: (channel, payload) => {
        if (channel === authorizationChannel) this.#permission?.onReply(payload);
        else this.#outboxes.get(channel)?.onReply(payload);
      },
      onLost: (error) => {
        figures.connectionsLost++;
        onLost(error);
        for (const outbox of this.#outboxes.values()) outbox.onLost();
      },
    };
    this.#door = options.createDoor(listener, seededRandom(~seed));
    this.#permission = options.authorize ? new Permission({ ...options, identity, door: this.#door }) : undefined;
    this.#outboxes = new Map(reportChannels.map((channel) => [channel, new Outbox({ ...options, door: this.#door })]));
  }

  get isConnected(): boolean {
    return this.#door.isConnected;
  }

  /** Switches the machine on. Idempotent. */
  start(): void {
    if (this.#living !== undefined) return;
    this.#door.open();
    this.#living = this.#live();
  }

  /** Resolves when the machine's life has ended, because it may not report any more, and all is answered. */
  async ended(): Promise<void> {
    await this.#living;
    await Promise.all([...this.#outboxes.values()].map((outbox) => outbox.idle()));
  }

  /** Switches the machine off; what is under way may still be answered for `graceMs`. Idempotent. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort();
    const grace = new AbortController();
    await Promise.race([this.ended(), pause(this.#options.clock, graceMs, grace.signal)]);
    grace.abort();
    for (const outbox of this.#outboxes.values()) outbox.stop();
    await this.#door.close();
    await this.#living;
  }

  async #live(): Promise<void> {
    const { speed, layers, clock, siteTime, mayReport } = this.#options;
    const { signal } = this.#stopping;
    const minutesAgo = (minutes: number) => siteTime.format(clock.wallMs() - minutes * 60_000);
    for (const step of life({ random: this.#random, layers, minutesAgo })) {
      const { afterSeconds, occurrence: happens } = step;
      if (speed > 0) await pause(clock, (afterSeconds * 1000) / speed, signal);
      if (step.needsPermission) await this.#untilPermitted(signal);
      const occurrence = happens();
      const outbox = this.#outboxes.get(this.#writer.channelOf(occurrence))!;
      const hasRoom = await outbox.room();
      if (!hasRoom || signal.aborted || !mayReport()) return;
      outbox.send(this.#writer.write(occurrence));
    }
  }
  /** A machine that may not print stands still and asks again later, until it may or is switched off. */
  async #untilPermitted(signal: AbortSignal): Promise<void> {
    const { speed, clock } = this.#options;
    const againMs = Math.max(askAgain.leastMs, speed > 0 ? (askAgain.seconds * 1000) / speed : 0);
    while (this.#permission !== undefined && !signal.aborted && !(await this.#permission.ask(signal))) {
      await pause(clock, againMs, signal);
    }
  }
}
