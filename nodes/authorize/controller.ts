import type { ClientConfig, Controller } from '../shared/client-node.ts';
import type { GatewayClient } from '../shared/gateway-client.ts';
import { linkStatus, type Translate } from '../shared/gateway-node.ts';
import type { Migration } from '../shared/migrate.ts';
import { NodeError, textOf } from '../shared/node-error.ts';
import type { Done, Message, NodeStatus, Send } from '../shared/node-red.ts';
import { type Identity, queryFrom, queryOf } from './wire.ts';

/** What the dialog saves, version 1. */
export interface AuthorizeConfig extends ClientConfig, Identity {
  /** Where the query comes from: the fields of the dialog, or `msg.payload`. */
  readonly from: 'fields' | 'payload';
  readonly timeoutSeconds: number | string;
}

/** Version 1 is the first one. */
export const migrations: readonly Migration[] = [(config) => config];

/** What a hand-written flow may leave out. */
export const defaults = {
  gateway: '',
  from: 'fields',
  serial: '',
  model: '',
  machine: '',
  address: '',
  customer: '',
  timeoutSeconds: 35,
};

/** What the gateway answers. */
export interface Authorization {
  readonly granted: boolean;
  /** Why not; empty when granted. */
  readonly error: string;
  /** Who answered. */
  readonly source: 'centre' | 'lease' | 'nobody';
  /** Until when, where it is known. */
  readonly until: string | null;
}

export interface AuthorizeOptions {
  readonly config: AuthorizeConfig;
  readonly client: GatewayClient;
  readonly t: Translate;
  readonly g: Translate;
  readonly status: (status: NodeStatus) => void;
}

/**
 * Asks whether a machine may print. Output 1 granted, output 2 denied; without any answer in time nothing is sent and
 * the error goes to `catch`: whoever switches something on must not do so in doubt. Nothing is sent either for an answer
 * that comes after this instance was replaced.
 */
export class AuthorizeController implements Controller {
  readonly #options: AuthorizeOptions;
  readonly #timeoutMs: number;
  readonly #stop: () => void;
  #asking = 0;
  #last: NodeStatus | undefined;
  #closed = false;

  /** @throws NodeError `bad-settings` */
  constructor(options: AuthorizeOptions) {
    this.#options = options;
    const seconds = Number(options.config.timeoutSeconds);
    if (!(seconds >= 1 && seconds <= 600)) {
      throw new NodeError('bad-settings', `the timeout is ${options.config.timeoutSeconds}: enter 1 to 600 seconds`);
    }
    this.#timeoutMs = seconds * 1000;
    this.#stop = options.client.onState.add(() => this.#showStatus());
    this.#showStatus();
  }

  input(message: Message, send: Send, done: Done): void {
    this.#ask(message, send).then(
      () => done(),
      (error) => done(error),
    );
  }

  close(): void {
    this.#closed = true;
    this.#stop();
  }

  async #ask(message: Message, send: Send): Promise<void> {
    const { config, client, t } = this.#options;
    let query: Record<string, unknown>;
    try {
      query = config.from === 'payload' ? queryFrom(message.payload) : queryOf(config);
    } catch (error) {
      throw error instanceof NodeError ? error : new NodeError('bad-input', textOf(error));
    }
    this.#asking++;
    this.#showStatus();
    try {
      const authorization = parsed(await client.requests.ask('authorize', query, this.#timeoutMs));
      if (this.#closed) return;
      const { granted, source, error } = authorization;
      const fill = granted ? 'green' : 'red';
      const text = t(granted ? `authorize.status.granted-${source}` : 'authorize.status.denied', { error });
      this.#last = { fill, shape: source === 'lease' ? 'ring' : 'dot', text };
      const answer = { ...message, payload: granted, authorization };
      send(granted ? [answer, null] : [null, answer]);
    } catch (error) {
      const code = error instanceof NodeError ? error.code : '';
      const key = code === 'no-answer' ? 'authorize.status.no-answer' : 'authorize.status.failed';
      this.#last = { fill: 'yellow', shape: 'ring', text: t(key, { code }) };
      throw error;
    } finally {
      this.#asking--;
      this.#showStatus();
    }
  }

  #showStatus(): void {
    if (this.#closed) return;
    const { client, t, g, status } = this.#options;
    const link = linkStatus(client.state, g);
    if (client.state.kind !== 'connected') status(link);
    else if (this.#asking > 0) status({ fill: 'blue', shape: 'dot', text: t('authorize.status.asking') });
    else status(this.#last ?? link);
  }
}

/** Only a plain `granted: true` grants. */
function parsed(body: Readonly<Record<string, unknown>>): Authorization {
  const { granted, error, source, until } = body;
  if (typeof granted !== 'boolean') throw new NodeError('bad-answer', 'the gateway answered without `granted`');
  return {
    granted,
    error: typeof error === 'string' ? error : '',
    source: source === 'centre' || source === 'lease' ? source : 'nobody',
    until: typeof until === 'string' ? until : null,
  };
}
