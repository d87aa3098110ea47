import { HoldfastError } from '../errors.ts';
import { type Clock, SiteTime } from '../platform/index.ts';
import { authorizationChannel, isSerial } from '../protocols/machines/index.ts';
import { createFigures, type Figures } from './figures.ts';
import { Machine } from './machine.ts';
import { createDoor, parseDoorUrl } from './open-door.ts';
import { reportChannels } from './report-writer.ts';

/** What a site is made of. */
export interface SiteOptions {
  /** `mqtt(s)://host:port` and `http(s)://host:port` of a gateway, or `amqp(s)://host:port/vhost` of the centre. */
  readonly url: string;
  readonly machines: number;
  /** The machines are called by it and four digits: `sim-0001`. */
  readonly serialPrefix: string;
  /** Without `username` each machine's user name is its 序列号; without a password they log in anonymously. */
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** How many times faster than real machines they live; 0: without any pause. */
  readonly speed: number;
  /** Layers of a job. */
  readonly layers: number;
  /** Reports under way per machine and channel (1, as on a real machine). */
  readonly inflight?: number;
  /** How long an answer may take before a report is sent again (3,000 ms, as in the seed). */
  readonly replyTimeoutMs?: number;
  /** Each machine asks before a job whether it may print. */
  readonly authorize?: boolean;
  /** Reports of all machines together, after which they end; without it they live until `stop`. */
  readonly count?: number | undefined;
  /** The same seed makes the same lives; a whole number. */
  readonly seed: number;
  readonly timezone: string;
  readonly clock: Clock;
  /** Told of each wrong reply and each report without an answer. */
  readonly onWrong?: (sentence: string) => void;
  /** Told of each connection that is lost or cannot be made. */
  readonly onLost?: (error: Error) => void;
}

/** A hall full of simulated printers. Nothing is opened before `start()`. */
export class Site {
  readonly #options: SiteOptions;
  readonly #figures = createFigures();
  readonly #machines: readonly Machine[];
  #left: number;

  /** Throws `usage` for a URL or a prefix that cannot be used. */
  constructor(options: SiteOptions) {
    this.#options = options;
    this.#left = options.count ?? Number.POSITIVE_INFINITY;
    const url = parseDoorUrl(options.url);
    const siteTime = new SiteTime(options.timezone);
    this.#machines = Array.from({ length: options.machines }, (_, index) =>
      this.#createMachine(index + 1, url, siteTime),
    );
  }

  /** What the machines have counted since the first start. */
  get figures(): Readonly<Figures> {
    return { ...this.#figures };
  }

  /** Machines that are connected. */
  get connected(): number {
    return this.#machines.filter((machine) => machine.isConnected).length;
  }

  /** Switches all machines on. Idempotent; a site that was stopped stays so. */
  start(): void {
    for (const machine of this.#machines) machine.start();
  }

  /** Resolves when `count` reports are answered, or after `stop`. */
  async ended(): Promise<void> {
    await Promise.all(this.#machines.map((machine) => machine.ended()));
  }

  /** Switches all machines off; what is under way may still be answered for `graceMs`. Idempotent. */
  async stop(graceMs = 0): Promise<void> {
    await Promise.all(this.#machines.map((machine) => machine.stop(graceMs)));
  }

  #createMachine(number: number, url: URL, siteTime: SiteTime): Machine {
    const { serialPrefix, username, password, seed, clock } = this.#options;
    const { inflight = 1, replyTimeoutMs = 3000, authorize = false } = this.#options;
    const channels = authorize ? [...reportChannels, authorizationChannel] : reportChannels;
    const serial = `${serialPrefix}${String(number).padStart(4, '0')}`;
    if (!isSerial(serial)) throw new HoldfastError('usage', `${serial} cannot be a serial number: [A-Za-z0-9_-]{1,64}`);
    const login = passwordOf(url) ?? password;
    const credential =
      login === undefined ? undefined : { username: usernameOf(url) ?? username ?? serial, password: login };
    return new Machine({
      ...this.#options,
      serial,
      number,
      seed: (seed + Math.imul(number, 0x9e3779b1)) >>> 0,
      inflight,
      replyTimeoutMs,
      authorize,
      siteTime,
      figures: this.#figures,
      mayReport: () => this.#left > 0 && this.#left-- > 0,
      onWrong: this.#options.onWrong ?? (() => {}),
      onLost: this.#options.onLost ?? (() => {}),
      createDoor: (listener, random) => createDoor({ url, serial, channels, credential, listener }, { clock, random }),
    });
  }
}

const usernameOf = ({ username }: URL) => (username === '' ? undefined : decodeURIComponent(username));
const passwordOf = ({ password }: URL) => (password === '' ? undefined : decodeURIComponent(password));
