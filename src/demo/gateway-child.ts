import { type ChildProcess, fork } from 'node:child_process';
import { HoldfastError } from '../errors.ts';
import type { Clock } from '../platform/index.ts';
import type { GatewayNews, GatewayOrder } from './gateway-process.ts';
import type { Ledger } from './ledger.ts';

/** What a child is made of. */
export interface GatewayChildOptions {
  readonly order: Extract<GatewayOrder, { kind: 'start' }>;
  /** File descriptor that its log goes to. */
  readonly logDescriptor: number;
  readonly clock: Clock;
  /** It has ended, and nobody had asked it to. */
  readonly onLost: (reason: string) => void;
}

const startDeadlineMs = 30_000;
const stopDeadlineMs = 10_000;
// The sources are run as they are; what is built of them has another ending.
const program = new URL(`./gateway-process${import.meta.url.slice(import.meta.url.lastIndexOf('.'))}`, import.meta.url);

/** The gateway in a process of its own: started, stopped in order, or killed. Once each. */
export class GatewayChild {
  readonly #options: GatewayChildOptions;
  #child: ChildProcess | undefined;
  #ended: Promise<string> = Promise.resolve('');
  #isExpected = false;

  constructor(options: GatewayChildOptions) {
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /**
   * Resolves when the gateway runs.
   *
   * @throws HoldfastError `port-taken` and what else its start may fail with, `gateway-unreachable` when it dies.
   */
  async start(): Promise<void> {
    const { order, logDescriptor, clock, onLost } = this.#options;
    const child = fork(program, [], {
      execArgv: ['--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', logDescriptor, logDescriptor, 'ipc'],
      serialization: 'advanced',
    });
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
    });
    child.send(order);
    const news = await Promise.race([this.#next('running', 'failed'), this.#ended, timeout(clock, startDeadlineMs)]);
    if (typeof news === 'string') {
      await this.kill();
      throw new HoldfastError('gateway-unreachable', `the gateway did not start (${news}): its log says more`);
    }
    if (news.kind === 'failed') {
      await this.#ended;
      throw new HoldfastError(news.code ?? 'gateway-unreachable', news.message);
    }
    this.#ended.then((reason) => {
      if (!this.#isExpected) onLost(reason);
    });
  }

  /** Ends it in order; resolves with its last totals, or with undefined when it did not say them. */
  async stop(): Promise<Ledger | undefined> {
    const child = this.#child;
    if (child === undefined || !child.connected) return undefined;
    this.#isExpected = true;
    const stopped = this.#next('stopped');
    child.send({ kind: 'stop' } satisfies GatewayOrder);
    const news = await Promise.race([stopped, this.#ended, timeout(this.#options.clock, stopDeadlineMs)]);
    if (typeof news === 'string') await this.kill();
    await this.#ended;
    return typeof news === 'object' && news.kind === 'stopped' ? news.ledger : undefined;
  }

  /** Kills it as the end of all power would: no signal handler runs, nothing is flushed. Resolves when it is dead. */
  async kill(): Promise<void> {
    this.#isExpected = true;
    this.#child?.kill('SIGKILL');
    await this.#ended;
  }

  #next(...kinds: GatewayNews['kind'][]): Promise<GatewayNews> {
    return new Promise((resolve) => {
      this.#child!.on('message', (news: GatewayNews) => {
        if (kinds.includes(news.kind)) resolve(news);
      });
    });
  }
}

/** The child's own handle keeps this process alive meanwhile. */
function timeout(clock: Clock, ms: number): Promise<string> {
  return new Promise((resolve) => {
    clock.after(ms, () => resolve(`no answer within ${ms / 1000} s`));
  });
}
