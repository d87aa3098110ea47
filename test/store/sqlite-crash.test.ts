// deadline: 180s
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { copyFileSync, statSync, truncateSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SqliteDocumentStore } from '../../src/store/index.ts';
import { Random } from '../support/random.ts';
import { SmallDisk } from '../support/site/small-disk.ts';
import { temporaryFolder } from '../support/temporary.ts';

const test = suite('document store: sqlite, crashes');
const program = new URL('programs/writer.ts', import.meta.url).pathname;

/** A writing process and what it has said. */
class Writer {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #gone: Promise<void>;

  constructor(words: readonly string[], before: readonly string[] = []) {
    const command = [...before, process.execPath, '--disable-warning=ExperimentalWarning', program, ...words];
    this.#child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
    createInterface({ input: this.#child.stdout! }).on('line', (line) => this.lines.push(line));
    this.#gone = new Promise((resolve) => this.#child.once('close', () => resolve()));
  }

  /** `<collection> <id>` of what was acknowledged. */
  get acknowledged(): string[] {
    return this.lines.filter((line) => /^(inserted|put) /.test(line));
  }

  async until(holds: (lines: readonly string[]) => boolean): Promise<void> {
    for (const end = performance.now() + 20_000; !holds(this.lines); await sleep(5)) {
      assert.ok(performance.now() < end, `the writer is slow: ${this.lines.slice(-3)}`);
    }
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#gone;
  }
}

async function stored(folder: string): Promise<Set<string>> {
  const store = new SqliteDocumentStore({ folder });
  await store.start();
  const found = new Set<string>();
  for (const collection of ['inserted', 'put']) {
    for (const { _id } of await store.find({ database: 'test', collection })) found.add(`${collection} ${_id}`);
  }
  await store.stop();
  return found;
}

test('what was acknowledged before kill -9 is there', async () => {
  const folder = temporaryFolder().path;
  const random = new Random(9);
  const acknowledged: string[] = [];
  for (let round = 0; round < 6; round++) {
    const writer = new Writer([folder, String(round * 1_000_000)]);
    await writer.until((lines) => lines.length > 1);
    await sleep(20 + random.below(400));
    await writer.kill();
    acknowledged.push(...writer.acknowledged);
    const found = await stored(folder);
    assert.equal(
      acknowledged.filter((each) => !found.has(each)),
      [],
    );
    // One more of each task may have been written and not said.
    assert.ok(found.size <= acknowledged.length + 4 * (round + 1));
  }
  assert.ok(acknowledged.length > 100, `only ${acknowledged.length}`);
});

test('a log torn at any place opens with a prefix', async () => {
  const folder = temporaryFolder();
  const writer = new Writer([folder.path, '0', '3000']);
  await writer.until((lines) => lines.length > 60);
  await writer.kill();
  const log = folder.file('documents.db-wal');
  const size = statSync(log).size;
  assert.ok(size > 100_000);
  const random = new Random(4);
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 12; round++) {
    const torn = temporaryFolder();
    copyFileSync(folder.file('documents.db'), torn.file('documents.db'));
    copyFileSync(log, torn.file('documents.db-wal'));
    truncateSync(torn.file('documents.db-wal'), round === 0 ? 10 : random.below(size));
    const found = await stored(torn.path);
    for (let task = 0; task < 4; task++) {
      const own = [...found].filter((each) => each.split(' ')[1]!.startsWith(`${task}-`));
      for (let n = 0; n < own.length; n++)
        assert.ok(
          own.some((each) => each.endsWith(`-${n}`)),
          `${task}-${n}`,
        );
    }
    least = Math.min(least, found.size);
    torn.remove();
  }
  assert.ok(least < writer.acknowledged.length);
});

test('a full disk fails what is written then, keeps all before, and takes more when there is room', async () => {
  const folder = temporaryFolder();
  const disk = await SmallDisk.mount(folder, 32 * 1024 * 1024);
  if (typeof disk === 'string') {
    console.log(`skipped: ${disk}`);
    return;
  }
  const data = `${disk.path}/documents`;
  const writer = new Writer([data, '0', '20000'], disk.before);
  await writer.until((lines) => lines.length > 20);
  disk.occupy(0);
  await writer.until((lines) => lines.some((line) => line.startsWith('failed')));
  assert.match(writer.lines.find((line) => line.startsWith('failed'))!, /documents\.db is full: make room/);
  await sleep(200);
  disk.release();
  const before = writer.acknowledged.length;
  await writer.until(() => writer.acknowledged.length > before + 20);
  await writer.kill();
  const copy = temporaryFolder();
  execFileSync(disk.before[0]!, [...disk.before.slice(1), 'sh', '-c', 'cp "$0"/* "$1"', data, copy.path]);
  const found = await stored(copy.path);
  assert.equal(
    writer.acknowledged.filter((each) => !found.has(each)),
    [],
  );
  disk.unmount();
});

test.run();
