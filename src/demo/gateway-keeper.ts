import { describeError } from '../errors.ts';
import type { Clock } from '../platform/index.ts';
import { GatewayChild, type GatewayChildOptions } from './gateway-child.ts';
import type { Ledger } from './ledger.ts';

/** What a keeper is made of. */
export interface GatewayKeeperOptions extends Omit<GatewayChildOptions, 'onLost'> {
  readonly clock: Clock;
  readonly onEvent: (sentence: string) => void;
  /** The gateway cannot be started any more. Called at most once. */
  readonly onFailure: (reason: string) => void;
}

const restartAfterMs = 1000;
const tries = 3;

/** Keeps a gateway running, as a service manager does: one that has died is started again, soon and a few times. */
export class GatewayKeeper {
  readonly #options: GatewayKeeperOptions;
  #child: GatewayChild | undefined;
  #isStopping = false;
  /** Killing and starting take turns. */
  #last: Promise<void> = Promise.resolve();

  constructor(options: GatewayKeeperOptions) {
    this.#options = options;
  }

  /** Starts it for the first time. Rejects as `GatewayChild.start` does. */
  async start(): Promise<void> {
    const child = new GatewayChild({
      ...this.#options,
      onLost: (reason) => {
        this.#options.onEvent(`the gateway has ended by itself (${reason}); starting it again`);
        this.#inTurn(() => this.#restart());
      },
    });
    this.#child = child;
    await child.start();
  }

  /** Kills it as the end of all power would, and starts it again. Resolves when it runs. */
  kill(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#child?.kill();
      await this.#restart();
    });
  }

  /** Ends it in order; resolves with its last totals, if it could say them. */
  async stop(): Promise<Ledger | undefined> {
    this.#isStopping = true;
    await this.#last;
    return this.#child?.stop();
  }

  #inTurn(action: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(() => (this.#isStopping ? undefined : action()));
    return this.#last;
  }

  async #restart(): Promise<void> {
    const { clock, onEvent, onFailure } = this.#options;
    let reason = '';
    for (let left = tries; left > 0; left--) {
      await clock.sleep(restartAfterMs);
      try {
        await this.start();
        onEvent(`the gateway runs again, as process ${this.#child?.pid}`);
        return;
      } catch (error) {
        reason = describeError(error);
        onEvent(`the gateway does not start: ${reason}`);
      }
    }
    onFailure(`the gateway cannot be started: ${reason}`);
  }
}
