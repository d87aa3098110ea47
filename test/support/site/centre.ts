/** A copy of the centre: `bin/holdfast central` with its own configuration and port. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MongoClient } from 'mongodb';
import { authorizationCollection } from '../../../src/central/authorization-record.ts';
import { pushCollection } from '../../../src/central/control-push.ts';
import type { CollectionName } from '../../../src/store/index.ts';
import { freePort } from '../temporary.ts';
import type { CertificateFiles } from '../tls.ts';
import { until } from '../until.ts';
import { holdfast, Program, runHoldfast } from './program.ts';

export interface CentreOptions {
  /** Holds configuration and log. */
  readonly folder: string;
  readonly name?: string;
  readonly broker: string;
  readonly mongodb: string;
  /** Authority of the broker's certificate. */
  readonly ca?: string;
  /** HTTPS in the place of HTTP. Whoever starts it trusts the authority, see `tls.setDefaultCACertificates`. */
  readonly tls?: CertificateFiles;
}

/** Chooses a port and writes the configuration; nothing is started yet. */
export async function createCentre(options: CentreOptions): Promise<Centre> {
  return new Centre(options, await freePort());
}

export class Centre {
  readonly port: number;
  readonly url: string;
  readonly program: Program;
  readonly #options: readonly string[];
  readonly #mongodb: string;

  constructor({ folder, name = 'centre', broker, mongodb, ca, tls }: CentreOptions, port: number) {
    this.port = port;
    this.#mongodb = mongodb;
    this.url = `${tls ? 'https' : 'http'}://localhost:${port}`;
    mkdirSync(folder, { recursive: true });
    const configFile = join(folder, `${name}.yaml`);
    const central = {
      broker,
      mongodb,
      http: { host: '127.0.0.1', port, ...(tls && { tls }) },
      ...(ca && { brokerTls: { ca } }),
    };
    writeFileSync(configFile, JSON.stringify({ central }, null, 2));
    this.#options = ['--config', configFile, '--data', join(folder, 'central-data')];
    this.program = new Program([holdfast, 'central', ...this.#options], join(folder, `${name}.log`));
  }

  /** Runs a command at the centre: `authorize`, `user`, `enrol --new`. Rejects when it fails. */
  run(words: readonly string[], input?: string): Promise<string> {
    return runHoldfast([...words, ...this.#options], [], input);
  }

  /** Starts the process and waits until it answers. */
  async start(): Promise<void> {
    this.program.begin();
    await until(
      async () => (await this.health()).ok === true,
      () => `the centre runs\n${this.program.tail}`,
      20_000,
      50,
    );
  }

  /** Waits until some queue is read by this copy. */
  async reads(withinMs = 30_000): Promise<void> {
    await until(
      async () => Object.values((await this.health()).broker?.queues ?? {}).includes('reading'),
      () => `the centre reads\n${this.program.tail}`,
      withinMs,
      50,
    );
  }

  /** Waits until the broker has all that the centre has to tell gateways, of changes by a command as well. */
  async hasPushed(): Promise<void> {
    const client = new MongoClient(this.#mongodb);
    const count = ({ database, collection }: CollectionName, filter = {}) =>
      client.db(database).collection(collection).countDocuments(filter);
    const isAllTold = async () =>
      (await count(authorizationCollection, { _pending: true })) === 0 && (await count(pushCollection)) === 0;
    await until(isAllTold, 'the outbox is empty').finally(() => client.close());
  }

  kill(): Promise<void> {
    return this.program.kill();
  }

  stop(): Promise<void> {
    return this.program.stop();
  }

  async health(): Promise<{ ok: boolean; broker?: { queues: Record<string, string> } }> {
    const response = await fetch(`${this.url}/healthz`, { signal: AbortSignal.timeout(5000) });
    return (await response.json()) as { ok: boolean };
  }
}
