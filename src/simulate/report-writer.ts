import type { Clock, SiteTime } from '../platform/index.ts';
import { builtInChannels, encodeMessage, type MessageKind, states } from '../protocols/machines/index.ts';
import type { Identity } from './identity.ts';
import type { Occurrence } from './life.ts';

/** A report as it is sent, and what its reply must say. */
export interface Report {
  readonly channel: string;
  readonly body: Buffer;
  readonly serial: string;
  /** `表` of the reply. */
  readonly table: string;
  /** 设备状态 of the reply; undefined where it has none. */
  readonly state: string | undefined;
}

/** The machines' channels by the kind of their messages. */
const channelOf = new Map(builtInChannels.map((channel) => [channel.kind, channel]));

/**
 * Writes what happens to a machine as reports. No two that one writer makes are the same bytes, because a gateway takes
 * the same bytes for a repeat: times have whole seconds, and what would be said twice within one gets the next second
 * instead. So a machine that lives without pauses runs ahead of the clock, and its times are never set back.
 */
export class ReportWriter {
  readonly #identity: Identity;
  readonly #siteTime: SiteTime;
  readonly #clock: Clock;
  /** The second that the latest report said, and what was said in it. */
  #secondMs = 0;
  readonly #said = new Set<string>();

  constructor({ identity, siteTime, clock }: { identity: Identity; siteTime: SiteTime; clock: Clock }) {
    this.#identity = identity;
    this.#siteTime = siteTime;
    this.#clock = clock;
  }

  /** The report of an occurrence, now. */
  write(occurrence: Occurrence): Report {
    const nowMs = Math.floor(this.#clock.wallMs() / 1000) * 1000;
    if (nowMs > this.#secondMs) this.#turnTo(nowMs);
    let body = this.#encode(occurrence);
    if (this.#said.has(body.toString('latin1'))) {
      this.#turnTo(this.#secondMs + 1000);
      body = this.#encode(occurrence);
    }
    this.#said.add(body.toString('latin1'));
    const { name, table } = channelOf.get(occurrence.kind)!;
    const state = occurrence.kind === 'process' ? states[occurrence.content.state].word : undefined;
    return { channel: name, body, serial: this.#identity.serial, table, state };
  }

  /** The channel that an occurrence is reported on. */
  channelOf({ kind }: Occurrence): string {
    return channelOf.get(kind)!.name;
  }

  #turnTo(secondMs: number): void {
    this.#secondMs = secondMs;
    this.#said.clear();
  }

  #encode(occurrence: Occurrence): Buffer {
    const time = this.#siteTime.format(this.#secondMs);
    const { serial, model, name, address } = this.#identity;
    const common = { serial, time, model, name, address };
    switch (occurrence.kind) {
      case 'base':
        return encodeMessage('base', { ...this.#identity, time });
      case 'process':
        return encodeMessage('process', { ...common, ...occurrence.content });
      case 'error':
        return encodeMessage('error', { ...common, level: occurrence.level, description: occurrence.description });
    }
  }
}

/** The channels that a simulated machine reports on. */
export const reportChannels: readonly string[] = (['base', 'process', 'error'] satisfies MessageKind[]).map(
  (kind) => channelOf.get(kind)!.name,
);
