/**
 * Who may use the editor: the gateway is asked, for each login and for each token.
 *
 * The editor's sessions are the gateway's own, so nothing of them is kept here but what was answered within the last two
 * seconds; an account that is removed is out at once. Node-RED's own login is not used: it would let anybody who knows a
 * name shut its owner out for ten minutes, and would keep tokens in a file.
 * Failure behaviour: without an answer nobody is let in.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../platform/clock.ts';
import type { EditorUser } from '../types.ts';
import type { Parent } from './parent.ts';

const cacheMs = 2000;
const maxCached = 200;
const maxBodyBytes = 16 * 1024;
const sessionSeconds = 86_400;

interface Cached {
  readonly user: EditorUser;
  readonly atMs: number;
}

export class EditorAuth {
  readonly #parent: Parent;
  readonly #clock: Clock;
  readonly #address = new AsyncLocalStorage<string | undefined>();
  readonly #cache = new Map<string, Cached>();
  /** Tokens that were right and may have a page open. */
  readonly #live = new Set<string>();
  #hasEnded = false;

  constructor({ parent, clock }: { parent: Parent; clock: Clock }) {
    this.#parent = parent;
    this.#clock = clock;
  }

  /** `adminAuth` of Node-RED's settings. */
  get settings(): object {
    return {
      type: 'credentials',
      users: async () => null,
      authenticate: async () => null,
      tokens: async (token: string) => {
        const user = await this.#userOf(token);
        return user === undefined ? null : { username: user.name, permissions: user.permissions };
      },
      sessionExpiryTime: sessionSeconds,
    };
  }

  /** Answers login and logout, and lets the rest through with its address in mind. */
  handle(request: IncomingMessage, response: ServerResponse, next: () => void): void {
    const path = request.url?.split('?')[0];
    if (request.method === 'POST' && path === '/auth/token') void this.#login(request, response);
    else if (request.method === 'POST' && path === '/auth/revoke') void this.#logout(request, response);
    else this.#address.run(request.socket.remoteAddress, next);
  }

  /** True when a session of somebody who may have a page open has ended since the last call. */
  async hasEnded(): Promise<boolean> {
    for (const token of this.#live) await this.#userOf(token);
    const hasEnded = this.#hasEnded;
    this.#hasEnded = false;
    return hasEnded;
  }

  async #userOf(token: string): Promise<EditorUser | undefined> {
    const nowMs = this.#clock.monotonicMs();
    const cached = this.#cache.get(token);
    if (cached !== undefined && nowMs - cached.atMs < cacheMs) return cached.user;
    this.#cache.delete(token);
    const answer = await this.#parent.ask({ kind: 'token', token, address: this.#address.getStore() });
    const user = answer as EditorUser | undefined;
    if (user?.name === undefined) {
      if (this.#live.delete(token)) this.#hasEnded = true;
      return undefined;
    }
    this.#cache.set(token, { user, atMs: nowMs });
    this.#live.add(token);
    if (this.#cache.size > maxCached) this.#cache.delete(this.#cache.keys().next().value!);
    if (this.#live.size > maxCached) this.#live.delete(this.#live.values().next().value!);
    return user;
  }

  async #login(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const fields = await readFields(request);
    const name = fields?.username;
    const password = fields?.password;
    if (typeof name !== 'string' || typeof password !== 'string' || fields?.grant_type !== 'password') {
      return answer(response, 400, { error: 'invalid_request' });
    }
    const { remoteAddress: address } = request.socket;
    const isSecure = 'encrypted' in request.socket;
    const outcome = (await this.#parent.ask({ kind: 'login', name, password, address, isSecure })) as
      | { token?: string; waitMs?: number; refused?: string }
      | undefined;
    if (outcome?.token !== undefined) {
      return answer(response, 200, {
        access_token: outcome.token,
        expires_in: sessionSeconds,
        token_type: 'Bearer',
      });
    }
    if (outcome?.waitMs !== undefined) {
      response.setHeader('Retry-After', Math.ceil(outcome.waitMs / 1000));
      return answer(response, 429, { error: 'too_many_attempts' });
    }
    answer(response, 403, { error: 'invalid_grant', error_description: outcome?.refused ?? 'not let in' });
  }

  async #logout(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    // What the page says besides, of a token that is in the header already.
    await readFields(request);
    if (token !== undefined) {
      this.#cache.delete(token);
      if (this.#live.delete(token)) this.#hasEnded = true;
      await this.#parent.ask({ kind: 'logout', token });
    }
    answer(response, 200, {});
  }
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
  response.end(JSON.stringify(body));
}

/** The fields of a form or of a JSON body; undefined when it is too long or neither. */
async function readFields(request: IncomingMessage): Promise<Record<string, unknown> | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes <= maxBodyBytes) chunks.push(chunk);
    }
    if (bytes > maxBodyBytes) return undefined;
    const text = Buffer.concat(chunks).toString();
    if (request.headers['content-type']?.startsWith('application/json')) {
      const value: unknown = JSON.parse(text);
      return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
    }
    return Object.fromEntries(new URLSearchParams(text));
  } catch {
    return undefined;
  }
}
