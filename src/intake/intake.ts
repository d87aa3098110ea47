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
  type TextId,
  type Validation,
  validateReport,
} from '../protocols/machines/index.ts';
import type { Spool } from '../spool/index.ts';
import type { Delivery, Intake, IntakeAnswer } from './types.ts';

/** Serial under which a refused message is kept when it names none that is usable. */
const unknownSerial = 'unknown';

const forbidden: IntakeAnswer = { outcome: 'forbidden', reply: undefined, sequence: undefined };

export class MachineIntake implements Intake {
  readonly #channels: ReadonlyMap<string, MachineChannel>;
  readonly #spool: Spool;
  readonly #clock: Clock;
  readonly #siteTime: SiteTime;
  readonly #counters: Counters;
  readonly #replies: ReplyWriter;
  /** Reports on their way to the disk, by digest. */
  readonly #underWay = new Map<string, Promise<number>>();

  constructor(options: {
    channels: ReadonlyMap<string, MachineChannel>;
    spool: Spool;
    clock: Clock;
    siteTime: SiteTime;
    counters: Counters;
    replies: ReplyWriter;
  }) {
    this.#channels = options.channels;
    this.#spool = options.spool;
    this.#clock = options.clock;
    this.#siteTime = options.siteTime;
    this.#counters = options.counters;
    this.#replies = options.replies;
  }

  hasChannel(name: string): boolean {
    return this.#channels.get(name)?.owner === 'machine';
  }

  async accept(delivery: Delivery): Promise<IntakeAnswer> {
    const channel = this.#channels.get(delivery.channel);
    if (channel?.owner !== 'machine') return this.#forbid('forbidden-topic');
    const validation = validateReport(channel, delivery.payload);
    const { serial } = validation;
    if (serial !== undefined && !delivery.mayWrite(serial)) return this.#forbid('foreign-serial');
    if (!validation.ok) return this.#refuse(channel, delivery, validation);
    // The centre's side of authorization is another capability: until it is there, nobody could answer.
    if (channel.name === authorizationChannel) return this.#answer(channel, 'refused', validation, 'not-available');
    return this.#store(channel, delivery.payload, validation);
  }

  async #store(channel: MachineChannel, payload: Buffer, validation: Validation & { ok: true }): Promise<IntakeAnswer> {
    const { repeats } = this.#spool;
    const digest = repeats.digest(channel.name, payload);
    const key = digest.toString('latin1');
    const known = this.#underWay.get(key) ?? repeats.find(digest);
    if (known !== undefined) {
      const sequence = await known;
      this.#counters.reportsRepeated++;
      return this.#answer(channel, 'repeated', validation, undefined, sequence);
    }
    const stored = this.#spool.append(channel.lane, { channel: channel.name, serial: validation.serial, payload });
    this.#underWay.set(key, stored);
    let sequence: number;
    try {
      sequence = await stored;
      repeats.remember(digest, sequence);
    } catch (error) {
      this.#counters.storeFailures++;
      throw error;
    } finally {
      this.#underWay.delete(key);
    }
    if (validation.unknownWord === 'state') this.#counters.unknownStates++;
    else if (validation.unknownWord === 'level') this.#counters.unknownLevels++;
    return this.#answer(channel, 'stored', validation, undefined, sequence);
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
    return this.#answer(channel, 'refused', validation, 'malformed');
  }

  #answer(
    channel: MachineChannel,
    outcome: IntakeAnswer['outcome'],
    { serial, state }: Pick<Validation, 'serial' | 'state'>,
    text: TextId | undefined,
    sequence?: number,
  ): IntakeAnswer {
    const time = this.#siteTime.format(this.#clock.wallMs());
    const body =
      channel.name === authorizationChannel
        ? this.#replies.authorization({ serial, text, time })
        : this.#replies.report({ channel, serial, state, text, time });
    return { outcome, sequence, reply: { topic: replyTopic(channel.name, serial), body } };
  }

  #forbid(reason: string): IntakeAnswer {
    this.#count(reason);
    return forbidden;
  }

  /** In the metrics, and in the totals that survive restarts. */
  #count(reason: string): void {
    countBy(this.#counters.reportsRefused, reason);
    this.#spool.count(reason);
  }
}
