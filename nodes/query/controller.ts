import type { ClientConfig, Controller } from '../shared/client-node.ts';
import type { GatewayClient } from '../shared/gateway-client.ts';
import { linkStatus, type Translate } from '../shared/gateway-node.ts';
import type { Migration } from '../shared/migrate.ts';
import { NodeError } from '../shared/node-error.ts';
import type { Done, Message, NodeStatus, Send } from '../shared/node-red.ts';

/** What the dialog saves, version 1. */
export interface QueryConfig extends ClientConfig {
  /** Empty: `msg.path`. */
  readonly path: string;
  /** JSON text of an object; `msg.query` adds to it and goes before it. */
  readonly parameters: string;
  readonly timeoutSeconds: number | string;
}

/** Version 1 is the first one. */
export const migrations: readonly Migration[] = [(config) => config];

/** What a hand-written flow may leave out. */
export const defaults = { gateway: '', path: '/deviceInfo/process/sn/', parameters: '{}', timeoutSeconds: 15 };

export interface QueryOptions {
  readonly config: QueryConfig;
  readonly client: GatewayClient;
  readonly t: Translate;
  readonly g: Translate;
  readonly status: (status: NodeStatus) => void;
}

const ok = 200;

/** Asks for documents of the box. `msg.payload` is the answer's body, whatever it says; no answer is an error. */
export class QueryController implements Controller {
  readonly #options: QueryOptions;
  readonly #parameters: Readonly<Record<string, unknown>>;
  readonly #timeoutMs: number;
  readonly #stop: () => void;
  #asking = 0;
  #last: NodeStatus | undefined;
  #closed = false;

  /** @throws NodeError `bad-settings` */
  constructor(options: QueryOptions) {
    const { parameters, timeoutSeconds } = options.config;
    this.#options = options;
    this.#parameters = parsed(parameters);
    const seconds = Number(timeoutSeconds);
    if (!(seconds >= 1 && seconds <= 600)) {
      throw new NodeError('bad-settings', `the timeout is ${timeoutSeconds}: enter 1 to 600 seconds`);
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
    const path = config.path || message.path;
    if (typeof path !== 'string' || !path.startsWith('/')) {
      throw new NodeError('bad-input', 'there is no path: choose one in the query node, or set msg.path');
    }
    const query = textsOf({ ...this.#parameters, ...(isObject(message.query) ? message.query : {}) });
    this.#asking++;
    this.#showStatus();
    try {
      const { status, body } = await client.requests.ask('query', { path, query }, this.#timeoutMs);
      this.#last = status === ok ? undefined : { fill: 'yellow', shape: 'ring', text: String(status) };
      if (!this.#closed) send({ ...message, statusCode: status, payload: body });
    } catch (error) {
      const code = error instanceof NodeError ? error.code : '';
      this.#last = { fill: 'red', shape: 'ring', text: t('query.status.failed', { code }) };
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
    else if (this.#asking > 0) status({ fill: 'blue', shape: 'dot', text: t('query.status.asking') });
    else status(this.#last ?? link);
  }
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  if (String(text ?? '').trim() === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch {
    // Told below.
  }
  throw new NodeError('bad-settings', 'the parameters are not a JSON object: correct them in the query node');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Parameters of a query are text, as in a URL; what is empty is left out. */
function textsOf(values: Readonly<Record<string, unknown>>): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== null && value !== '') texts[name] = String(value);
  }
  return texts;
}
