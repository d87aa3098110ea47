import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Clock, Timer } from './clock.ts';

/** What the operating system says about the wall clock; `unknown` when it has nobody who could tell. */
export type ClockSynchronization = 'yes' | 'no' | 'unknown';

const askEveryMs = 60_000;
/** systemd-timesyncd makes this file once it has set the clock from the network since the boot. */
const timesyncMark = '/run/systemd/timesync/synchronized';

/** Keeps asking whether the wall clock is synchronized: a Pi without a battery starts with a clock that is behind. */
export class ClockTrust {
  readonly #clock: Clock;
  readonly #ask: () => Promise<ClockSynchronization>;
  readonly #onChange: (state: ClockSynchronization) => void;
  #timer: Timer | undefined;
  #state: ClockSynchronization = 'unknown';

  constructor(options: {
    clock: Clock;
    /** Told of each change, and of the first answer. */
    onChange: (state: ClockSynchronization) => void;
    ask?: () => Promise<ClockSynchronization>;
  }) {
    this.#clock = options.clock;
    this.#onChange = options.onChange;
    this.#ask = options.ask ?? askSystem;
  }

  get state(): ClockSynchronization {
    return this.#state;
  }

  async start(): Promise<void> {
    this.#timer ??= this.#clock.every(askEveryMs, () => void this.#check());
    await this.#check();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  async #check(): Promise<void> {
    const state = await this.#ask();
    if (state === this.#state) return;
    this.#state = state;
    this.#onChange(state);
  }
}

/** The mark of systemd-timesyncd, or what `timedatectl` says of the kernel's clock, which covers chrony and ntpd too. */
async function askSystem(): Promise<ClockSynchronization> {
  if (existsSync(timesyncMark)) return 'yes';
  return new Promise((resolve) => {
    execFile('timedatectl', ['show', '--property=NTPSynchronized', '--value'], { timeout: 5000 }, (error, output) => {
      const answer = output?.trim();
      resolve(error === null && (answer === 'yes' || answer === 'no') ? answer : 'unknown');
    });
  });
}
