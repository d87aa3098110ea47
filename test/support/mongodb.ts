/**
 * A real server of the MongoDB protocol for one test: `mongod` when it is on the PATH, else FerretDB with SQLite, built
 * from `ferretdb/` into `.cache/` the first time (a minute; `prepareMongo()` does it ahead of the tests).
 *
 * It has its own port and folder and is ended by its process id; the kernel ends it with the test's process.
 * `HOLDFAST_TEST_MONGODB_URL` names a server that stands already: it is shared, so each test gets a prefix for its
 * databases, and a test that has to stop the server asks for one of its own.
 */
import { type ChildProcess, execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { MongoClient } from 'mongodb';
import { endProcess, letGo, spawnWithUs, takesConnections } from './processes.ts';
import { freePort, type TemporaryFolder, temporaryFolder } from './temporary.ts';

/** What the server shall be. */
export interface MongoOptions {
  /** Where the data are; a temporary folder that goes with `stop()`. */
  readonly dataDir?: string;
  /** A server that nobody else uses, so that it can be killed, even where HOLDFAST_TEST_MONGODB_URL is set. */
  readonly own?: boolean;
}

/** A server that takes connections. */
export interface MongoServer {
  readonly url: string;
  /** To be put before the name of each database; "" on a server of one's own. */
  readonly databasePrefix: string;
  /** Ends the server in order and removes its temporary folder; a shared one loses the test's databases. Idempotent. */
  stop(): Promise<void>;
  /** Ends the server at once, as a power cut does; the data stay for `restart()`. */
  kill(): Promise<void>;
  /** Ends the server, if it runs, and starts it again on the same port and data. */
  restart(): Promise<void>;
  /** Stands still: connections stay open and nothing answers. */
  pause(): void;
  resume(): void;
}

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const sources = join(import.meta.dirname, 'ferretdb');
const startDeadlineMs = 30_000;

/** Starts a server; resolves when it answers. Rejects with its output when it does not. */
export async function startMongo(options: MongoOptions = {}): Promise<MongoServer> {
  const shared = process.env.HOLDFAST_TEST_MONGODB_URL;
  if (shared && !options.own && options.dataDir === undefined) return sharedServer(shared);
  const folder = options.dataDir === undefined ? temporaryFolder('holdfast-mongodb-') : undefined;
  const server = new OwnServer(await prepareMongo(), await freePort(), options.dataDir ?? folder!.path, folder);
  await server.start();
  return server;
}

/** The path of the server program; builds it when there is none. */
export async function prepareMongo(): Promise<string> {
  return onPath('mongod') ?? (await builtFerret());
}

class OwnServer implements MongoServer {
  readonly url: string;
  readonly databasePrefix = '';
  readonly #program: string;
  readonly #port: number;
  readonly #dataDir: string;
  readonly #folder: TemporaryFolder | undefined;
  #child: ChildProcess | undefined;
  #output = '';

  constructor(program: string, port: number, dataDir: string, folder: TemporaryFolder | undefined) {
    this.#program = program;
    this.#port = port;
    this.#dataDir = dataDir;
    this.#folder = folder;
    this.url = `mongodb://127.0.0.1:${port}/`;
  }

  async start(): Promise<void> {
    mkdirSync(this.#dataDir, { recursive: true });
    const words = this.#program.endsWith('mongod')
      ? ['--bind_ip', '127.0.0.1', '--port', String(this.#port), '--dbpath', this.#dataDir, '--nounixsocket']
      : [`127.0.0.1:${this.#port}`, this.#dataDir];
    const child = letGo(spawnWithUs(this.#program, words, { stdio: ['ignore', 'pipe', 'pipe'] }));
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-10_000);
      });
    }
    const deadline = performance.now() + startDeadlineMs;
    while (!(await takesConnections(this.#port))) {
      if (child.exitCode !== null || performance.now() > deadline) {
        await this.kill();
        throw new Error(`the database did not start:\n${this.#output}`);
      }
      await sleep(20);
    }
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
    this.#folder?.remove();
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  async restart(): Promise<void> {
    await this.#end('SIGTERM');
    await this.start();
  }

  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    child?.kill('SIGCONT');
    await endProcess(child, signal, 5000);
  }
}

function sharedServer(url: string): MongoServer {
  const databasePrefix = `t${randomUUID().slice(0, 8)}_`;
  const refuse = () => {
    throw new Error('HOLDFAST_TEST_MONGODB_URL is shared: ask for `startMongo({ own: true })`');
  };
  return {
    url,
    databasePrefix,
    async stop() {
      const client = new MongoClient(url);
      const { databases } = await client.db('admin').admin().listDatabases({ nameOnly: true });
      for (const { name } of databases) if (name.startsWith(databasePrefix)) await client.db(name).dropDatabase();
      await client.close();
    },
    kill: async () => refuse(),
    restart: async () => refuse(),
    pause: refuse,
    resume: refuse,
  };
}

/** Builds FerretDB once for each state of its sources; several processes may want it at once. */
async function builtFerret(): Promise<string> {
  const hash = createHash('sha256');
  for (const name of ['main.go', 'go.mod', 'go.sum']) hash.update(readFileSync(join(sources, name)));
  const folder = join(root, '.cache/ferretdb', `${hash.digest('hex').slice(0, 16)}-${process.arch}`);
  const program = join(folder, 'ferretdb');
  const lock = join(folder, 'lock');
  mkdirSync(folder, { recursive: true });
  while (!existsSync(program)) {
    if (!takeLock(lock)) {
      await sleep(250);
      continue;
    }
    try {
      if (existsSync(program)) break;
      const partial = `${program}.${process.pid}`;
      await run('go', ['build', '-mod=readonly', '-o', partial, '.'], { cwd: sources }).catch((error) => {
        throw new Error('no mongod on the PATH, and FerretDB could not be built (it needs Go 1.24 or newer)', {
          cause: error,
        });
      });
      renameSync(partial, program);
    } finally {
      rmSync(lock, { force: true });
    }
  }
  return program;
}

/** Makes the lock file; a lock whose process is gone is taken away first. */
function takeLock(lock: string): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch {
    try {
      process.kill(Number(readFileSync(lock, 'utf8') || process.pid), 0);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') rmSync(lock, { force: true });
    }
    return false;
  }
}

function onPath(name: string): string | undefined {
  const paths = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name));
  return paths.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
