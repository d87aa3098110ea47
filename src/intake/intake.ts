/**
 * Validates, stores, answers. The one way into the spool for what machines say, whatever brings it.
 *
 * Invariants: an answer `stored` or `repeated` is given only when the report is on disk; the same bytes on the same
 * channel within the repeat window are one report, also while the first is still on its way to the disk; what is not
 * valid never goes upstream, and a copy of it is kept (bounded).
 * Failure behaviour: when the disk does not take a report, `accept` rejects, and whoever asked must not acknowledge.
 */
import { type Counters, countBy } from '../metrics.ts';
import type { Clock, SiteTime } from '../platform/index.ts';
import {
  authorizationChannel,
  isSerial,
  type MachineChannel,
  type ReplyWriter,
  replyTopic,
  type Validation,
  validateReport,
} from '../protocols/machines/index.ts';
import type { Spool } from '../spool/index.ts';
import { RecentReplies } from './recent-replies.ts';
import type { Authority, Delivery, Intake, IntakeAnswer, Reply } from './types.ts';

/** Serial under which a refused message is kept when it names none that is usable. */
const unknownSerial = 'unknown';

const forbidden: IntakeAnswer = { outcome: 'forbidden', reply: undefined, sequence: undefined };

/** A report of a machine that is on disk. */
export interface AcceptedReport {
  readonly channel: MachineChannel;
  readonly serial: string;
  /** Byte for byte as received. */
  readonly payload: Buffer;
  readonly sequence: number;
  /** Wall time of its acceptance in ms, and whether the clock was synchronized. */
  readonly acceptedMs: number;
  readonly clockTrusted: boolean;
  /** How it came. */
  readonly transport: Delivery['transport'];
}

export class MachineIntake implements Intake {
  readonly #channels: ReadonlyMap<string, MachineChannel>;
  readonly #spool: Spool;
  readonly #clock: Clock;
  readonly #siteTime: SiteTime;
  readonly #counters: Counters;
  readonly #replies: ReplyWriter;
  readonly #recent = new RecentReplies();
  readonly #authority: Authority;
  readonly #onStored: ((report: AcceptedReport) => void) | undefined;
  /** Reports on their way to the disk, by digest. */
  readonly #underWay = new Map<string, Promise<number>>();
  /** Base information on its way to the disk, by 序列号: a query that comes right behind it must find it there. */
  readonly #baseUnderWay = new Map<string, Promise<unknown>>();

  constructor(options: {
    channels: ReadonlyMap<string, MachineChannel>;
    spool: Spool;
    clock: Clock;
    siteTime: SiteTime;
    counters: Counters;
    replies: ReplyWriter;
    authority: Authority;
    /** Told of each report once it is on disk; must not throw, and nobody waits for it. */
    onStored?: (report: AcceptedReport) => void;
  }) {
    this.#channels = options.channels;
    this.#spool = options.spool;
    this.#clock = options.clock;
    this.#siteTime = options.siteTime;
    this.#counters = options.counters;
    this.#replies = options.replies;
    this.#authority = options.authority;
    this.#onStored = options.onStored;
  }

  hasChannel(name: string): boolean {
    return this.#channels.get(name)?.owner === 'machine';
  }

  /** Not `async`: another promise around that of `#store` would be waited for by each report. */
  accept(delivery: Delivery): Promise<IntakeAnswer> {
    try {
      return this.#take(delivery);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #take(delivery: Delivery): Promise<IntakeAnswer> {
    const channel = this.#channels.get(delivery.channel);
    if (channel?.owner !== 'machine') return this.#forbid('forbidden-topic');
    const validation = validateReport(channel, delivery.payload);
    const { serial } = validation;
    if (serial !== undefined && !delivery.mayWrite(serial)) return this.#forbid('foreign-serial');
    if (!validation.ok) return this.#refuse(channel, delivery, validation);
    if (channel.name === authorizationChannel) return Promise.resolve(this.#ask(delivery, validation.serial));
    return this.#store(channel, delivery, validation);
  }

  #ask({ payload, transport }: Delivery, serial: string): IntakeAnswer {
    const base = this.#baseUnderWay.get(serial);
    const ask = () => this.#authority.ask({ serial, payload: kept, transport });
    // Until then the connection's buffer may be used again.
    const kept = base === undefined ? payload : Buffer.from(payload);
    return {
      outcome: 'asked',
      sequence: undefined,
      reply: undefined,
      later: base === undefined ? ask() : base.then(ask),
    };
  }

  async #store(
    channel: MachineChannel,
    { payload, origin, transport }: Delivery,
    validation: Validation & { ok: true },
  ): Promise<IntakeAnswer> {
    const { repeats, origins } = this.#spool;
    const digest = origin === undefined ? repeats.digest(channel.name, payload) : undefined;
    // No digest begins so.
    const key = digest ?? `origin ${origin}`;
    const known =
      this.#underWay.get(key) ?? (digest === undefined ? origins.find(origin!)?.sequence : repeats.find(digest));
    if (known !== undefined) {
      const sequence = await known;
      this.#counters.reportsRepeated++;
      return { outcome: 'repeated', sequence, reply: this.#storedReply(channel, validation) };
    }
    const { serial } = validation;
    const stored = this.#spool.append(channel.lane, { channel: channel.name, serial, payload, origin });
    this.#underWay.set(key, stored);
    if (channel.kind === 'base') this.#noteBase(validation.serial, stored);
    let sequence: number;
    const acceptedMs = this.#clock.wallMs();
    try {
      sequence = await stored;
      if (digest === undefined) origins.remember(origin!, sequence);
      else repeats.remember(digest, sequence);
    } catch (error) {
      this.#counters.storeFailures++;
      throw error;
    } finally {
      this.#underWay.delete(key);
    }
    const clockTrusted = this.#clock.isTrusted();
    this.#onStored?.({ channel, serial, payload, sequence, acceptedMs, clockTrusted, transport });
    if (validation.unknownWord === 'state') this.#counters.unknownStates++;
    else if (validation.unknownWord === 'level') this.#counters.unknownLevels++;
    return { outcome: 'stored', sequence, reply: this.#storedReply(channel, validation) };
  }

  #noteBase(serial: string, stored: Promise<unknown>): void {
    const settled = stored
      .catch(() => {})
      .then(() => {
        if (this.#baseUnderWay.get(serial) === settled) this.#baseUnderWay.delete(serial);
      });
    this.#baseUnderWay.set(serial, settled);
  }

  async #refuse(
    channel: MachineChannel,
    delivery: Delivery,
    validation: Validation & { ok: false },
  ): Promise<IntakeAnswer> {
    const reason = validation.key === undefined ? validation.reason : `${validation.reason} ${validation.key}`;
    const serial = isSerial(validation.serial) ? validation.serial : unknownSerial;
    await this.#spool.keepRefused({ channel: channel.name, serial, payload: delivery.payload }, reason);
    this.#count(validation.reason);
    if (channel.name === authorizationChannel) await this.#authority.refused(validation.serial, reason);
    const time = this.#siteTime.format(this.#clock.wallMs());
    const { state } = validation;
    const body =
      channel.name === authorizationChannel
        ? this.#replies.authorization({ serial: validation.serial, text: 'malformed', time })
        : this.#replies.report({ channel, serial: validation.serial, state, text: 'malformed', time });
    const reply = { topic: replyTopic(channel.name, validation.serial), body };
    return { outcome: 'refused', sequence: undefined, reply, reason };
  }

  #storedReply(channel: MachineChannel, { serial, state }: Validation & { ok: true }): Reply {
    const time = this.#siteTime.format(this.#clock.wallMs());
    return this.#recent.obtain({ channel, serial, state, time }, () => ({
      topic: replyTopic(channel.name, serial),
      body: this.#replies.report({ channel, serial, state, text: undefined, time }),
    }));
  }

  #forbid(reason: string): Promise<IntakeAnswer> {
    this.#count(reason);
    return Promise.resolve(forbidden);
  }

  /** In the metrics, and in the totals that survive restarts. */
  #count(reason: string): void {
    countBy(this.#counters.reportsRefused, reason);
    this.#spool.count(reason);
  }
}
