import type { ErrorCode } from './errors.ts';
import type { Clock, Logger } from './platform/index.ts';

/** An alarm that is active. */
export interface Alarm {
  readonly code: ErrorCode;
  /** What it is about when several may be active at once (a machine, a lane); "" otherwise. */
  readonly subject: string;
  /** Wall time in ms when it was raised. */
  readonly sinceMs: number;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Told of every change: once when an alarm is raised, once when it is cleared. */
export type AlarmListener = (kind: 'alarm' | 'alarm-cleared', alarm: Alarm) => void;

/** More alarms are counted in the log only. */
const maxActive = 200;

/** The board of active alarms: each stands in the log, in /healthz and in the metrics, and goes upstream once. */
export class Alarms {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #active = new Map<string, Alarm>();
  #listener: AlarmListener = () => {};

  constructor({ clock, logger }: { clock: Clock; logger: Logger }) {
    this.#clock = clock;
    this.#logger = logger.child({ part: 'alarms' });
  }

  /** The active ones, oldest first. */
  get active(): Alarm[] {
    return [...this.#active.values()];
  }

  listen(listener: AlarmListener): void {
    this.#listener = listener;
  }

  /** Raises an alarm; nothing happens when the same code and subject is active already. */
  raise(code: ErrorCode, details: Readonly<Record<string, unknown>> = {}, subject = ''): void {
    const key = `${code}/${subject}`;
    if (this.#active.has(key)) return;
    this.#logger.error({ code, subject, ...details }, 'alarm');
    if (this.#active.size >= maxActive) return;
    const alarm: Alarm = { code, subject, sinceMs: Math.floor(this.#clock.wallMs()), details };
    this.#active.set(key, alarm);
    this.#listener('alarm', alarm);
  }

  /** Clears an alarm, when it is active. */
  clear(code: ErrorCode, subject = ''): void {
    const key = `${code}/${subject}`;
    const alarm = this.#active.get(key);
    if (alarm === undefined) return;
    this.#active.delete(key);
    this.#logger.info({ code, subject }, 'alarm cleared');
    this.#listener('alarm-cleared', alarm);
  }
}
