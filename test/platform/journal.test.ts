import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isHoldfastError } from '../../src/errors.ts';
import { type FileSystem, Journal, nodeFileSystem } from '../../src/platform/index.ts';
import { FaultFileSystem } from '../support/fault-file-system.ts';
import { Random } from '../support/random.ts';
import { temporaryFolder } from '../support/temporary.ts';

const test = suite('journal');

const onDisk = (folder: string, more: { maxKeys?: number; slackBytes?: number; fileSystem?: FileSystem } = {}) =>
  new Journal({ fileSystem: nodeFileSystem, folder: join(folder, 'store'), name: 'j', maxKeys: 100, ...more });

async function faultDisk(): Promise<FaultFileSystem> {
  const fileSystem = new FaultFileSystem(new Random(7));
  fileSystem.makeFolder('/data');
  await fileSystem.syncFolder('/');
  return fileSystem;
}

test('what was set is there again, and the file is for its owner only', async () => {
  const folder = temporaryFolder();
  const first = onDisk(folder.path);
  assert.equal(await first.open(), { damaged: 0, damagedPaths: [], unsure: new Set(), tornBytes: 0, error: undefined });
  const value = { until: '2027-01-01', list: [1, null, '重庆'] };
  await Promise.all([first.put('a', value), first.put('b', 1), first.delete('b'), first.put('c', 3)]);
  value.until = 'changed afterwards';
  await first.apply([
    ['d', 4],
    ['c', undefined],
  ]);
  assert.is(first.size, 2);
  await first.close();
  await first.close();

  const second = onDisk(folder.path);
  await second.open();
  assert.equal(
    [...second.entries()],
    [
      ['a', { until: '2027-01-01', list: [1, null, '重庆'] }],
      ['d', 4],
    ],
  );
  await second.close();
  assert.is(statSync(join(folder.path, 'store')).mode & 0o777, 0o700);
  assert.is(statSync(join(folder.path, 'store', 'j')).mode & 0o777, 0o600);
});

test('calls made together share one sync, and show only once it has returned', async () => {
  const fileSystem = await faultDisk();
  const journal = onDisk('/data', { fileSystem });
  await journal.open();
  const before = fileSystem.syncs;
  const calls = Array.from({ length: 50 }, (_, index) => journal.put(`k${index}`, index));
  assert.is(journal.size, 0);
  await Promise.all(calls);
  assert.is(fileSystem.syncs - before, 1);
  assert.is(journal.get('k49'), 49);
  await journal.close();
});

test('a damaged line costs its own content, is counted, and its bytes are kept', async () => {
  const folder = temporaryFolder();
  const first = onDisk(folder.path);
  await first.open();
  for (const key of ['a', 'b', 'c', 'd']) await first.put(key, key);
  await first.close();
  const path = join(folder.path, 'store', 'j');
  writeFileSync(path, readFileSync(path, 'utf8').replace('["b","b"]', '["b","x"]'));

  const second = onDisk(folder.path);
  const opening = await second.open();
  assert.equal(
    [...second.entries()],
    [
      ['a', 'a'],
      ['c', 'c'],
      ['d', 'd'],
    ],
  );
  assert.is(opening.damaged, 1);
  // What was lost may have changed it.
  assert.equal([...opening.unsure], ['a']);
  assert.match(readFileSync(opening.damagedPaths[0]!, 'utf8'), /\["b","x"\]/);
  await second.close();

  const third = onDisk(folder.path);
  assert.is((await third.open()).damaged, 0);
  await third.close();
});

test('damage of what the file was made with is damage, wherever it is', async () => {
  const folder = temporaryFolder();
  const path = join(folder.path, 'store', 'j');
  const make = async () => {
    const journal = onDisk(folder.path);
    await journal.open();
    for (const key of ['a', 'b', 'c']) await journal.put(key, key);
    await journal.close();
    const again = onDisk(folder.path);
    await again.open();
    await again.close();
    return readFileSync(path, 'utf8');
  };
  const text = await make();
  const lineStarts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)].slice(0, -1);
  assert.is(lineStarts.length, 4);
  for (const start of lineStarts) {
    for (const broken of [`${text.slice(0, start)}#${text.slice(start + 1)}`, text.slice(0, start + 12)]) {
      writeFileSync(path, broken);
      const journal = onDisk(folder.path);
      const { damaged, unsure } = await journal.open({ readOnly: true });
      assert.ok(damaged > 0, JSON.stringify(broken));
      // A line that is lost from the middle is the loss of its key; where the end is missing, what was appended is too.
      const isEndMissing = broken.length < text.length || start === lineStarts.at(-1);
      assert.equal([...unsure], isEndMissing ? [...journal.entries()].map(([key]) => key) : []);
      await journal.close();
    }
  }
  for (const strange of ['', '\n\n', '\0\0\0\0', 'nothing of ours\n']) {
    writeFileSync(path, strange);
    const journal = onDisk(folder.path);
    await journal.open();
    assert.is(journal.size, 0);
    await journal.put('new', 1);
    await journal.close();
  }
});

test('a torn last write is cut and is no damage', async () => {
  const folder = temporaryFolder();
  const path = join(folder.path, 'store', 'j');
  const first = onDisk(folder.path);
  await first.open();
  await first.put('a', 1);
  const size = statSync(path).size;
  await Promise.all([first.put('b', 2), first.put('c', 3)]);
  await first.close();
  const whole = readFileSync(path);
  for (let length = size; length < whole.length; length++) {
    writeFileSync(path, whole.subarray(0, length));
    const journal = onDisk(folder.path);
    const opening = await journal.open({ readOnly: true });
    assert.is(opening.damaged, 0, `cut at ${length}`);
    assert.is(journal.get('a'), 1);
    assert.is(journal.get('c'), undefined);
  }
  // The first half of that write is missing, the second came.
  const hole = Buffer.from(whole);
  hole.fill(0, size, size + 20);
  writeFileSync(path, hole);
  const journal = onDisk(folder.path);
  const opening = await journal.open();
  assert.equal([opening.damaged, opening.tornBytes, journal.size], [0, whole.length - size, 1]);
  await journal.close();
});

test('a newer format is refused and left as it is', async () => {
  const folder = temporaryFolder();
  const path = join(folder.path, 'store', 'j');
  const first = onDisk(folder.path);
  await first.open();
  await first.close();
  const { crc32 } = await import('node:zlib');
  const rest = '0 0 {"format":"holdfast-journal","version":2,"lines":0}';
  const newer = `${crc32(rest).toString(16).padStart(8, '0')} ${rest}\n`;
  writeFileSync(path, newer);
  try {
    await onDisk(folder.path).open();
    assert.unreachable();
  } catch (error) {
    assert.ok(isHoldfastError(error, 'journal-version'), String(error));
  }
  assert.is(readFileSync(path, 'utf8'), newer);
});

test('keys and sizes are bounded', async () => {
  const folder = temporaryFolder();
  const journal = onDisk(folder.path, { maxKeys: 3 });
  await journal.open();
  const results = await Promise.allSettled(['a', 'b', 'c', 'd', 'e'].map((key) => journal.put(key, key)));
  assert.equal(
    results.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected'],
  );
  await journal.put('a', 'again');
  await journal.apply([['a'], ['f', 1]]);
  assert.equal(
    [...journal.entries()].map(([key]) => key),
    ['b', 'c', 'f'],
  );
  const tooLarge = await journal.put('b', 'x'.repeat(70_000)).catch((error: unknown) => error);
  assert.ok(isHoldfastError(tooLarge, 'journal-full'));
  await journal.close();
  const closed = await journal.put('b', 1).catch((error: unknown) => error);
  assert.ok(isHoldfastError(closed, 'journal-write-failed'));
});

test('the file does not grow with the number of changes', async () => {
  const folder = temporaryFolder();
  const path = join(folder.path, 'store', 'j');
  const journal = onDisk(folder.path, { slackBytes: 2000 });
  await journal.open();
  let largest = 0;
  for (let count = 0; count < 400; count++) {
    await journal.put(`k${count % 3}`, count);
    largest = Math.max(largest, statSync(path).size);
  }
  assert.ok(largest < 4000, `${largest} bytes`);
  await journal.close();
});

test('a full disk fails the calls and changes nothing; with room they work again', async () => {
  let fileSystem = await faultDisk();
  const journal = onDisk('/data', { fileSystem });
  await journal.open();
  await journal.put('a', 1);
  fileSystem.capacityBytes = fileSystem.usedBytes('/') + 10;
  for (let count = 0; count < 3; count++) {
    const error = await journal.put('a', 2).catch((caught: unknown) => caught);
    assert.ok(isHoldfastError(error, 'journal-write-failed'), String(error));
    assert.match(String((error as Error).cause), /ENOSPC/);
    assert.is(journal.get('a'), 1);
  }
  fileSystem = fileSystem.afterKill();
  fileSystem.capacityBytes = fileSystem.usedBytes('/');
  const reopened = onDisk('/data', { fileSystem });
  const opening = await reopened.open();
  assert.match(String(opening.error), /ENOSPC/);
  assert.is(reopened.get('a'), 1);
  fileSystem.capacityBytes = Number.POSITIVE_INFINITY;
  await reopened.put('a', 3);
  await reopened.close();
});

test('after a failed sync nothing more is written into that file', async () => {
  const fileSystem = await faultDisk();
  const journal = onDisk('/data', { fileSystem });
  await journal.open();
  await journal.put('a', 1);
  let failures = 1;
  const renamed: string[] = [];
  fileSystem.plan = (kind, path) => {
    if (kind === 'rename') renamed.push(path);
    return kind === 'synced' && failures-- > 0 ? 'EIO' : undefined;
  };
  assert.ok(
    await journal.put('a', 2).then(
      () => false,
      () => true,
    ),
  );
  assert.equal(renamed, ['/data/store/j.new']);
  assert.is(journal.get('a'), 1);
  await journal.put('a', 3);
  await journal.close();
  const next = onDisk('/data', { fileSystem: fileSystem.afterPowerCut() });
  await next.open();
  assert.is(next.get('a'), 3);
  await next.close();
});

for (const how of ['kill', 'power'] as const) {
  test(`${how} at each call of a first start, a change, a rewrite and a stop`, async () => {
    let step = 0;
    for (let isFinished = false; !isFinished; ) {
      step++;
      const fileSystem = await faultDisk();
      fileSystem.dieAt = fileSystem.calls + step;
      let stored = 0;
      try {
        const journal = onDisk('/data', { fileSystem, slackBytes: 100 });
        const { error } = await journal.open();
        if (error !== undefined) throw error;
        for (let count = 1; count <= 12; count++) {
          await journal.apply([
            ['a', count],
            [`b${count % 2}`, count],
          ]);
          stored = count;
        }
        await journal.close();
      } catch (error) {
        if (!fileSystem.isDead) throw error;
      }
      isFinished = !fileSystem.isDead;
      const next = onDisk('/data', {
        fileSystem: how === 'kill' ? fileSystem.afterKill() : fileSystem.afterPowerCut(),
      });
      const opening = await next.open();
      assert.equal([opening.damaged, opening.error], [0, undefined], `step ${step}`);
      const found = (next.get('a') ?? 0) as number;
      assert.ok(found === stored || found === stored + 1, `step ${step}: ${found} instead of ${stored}`);
      assert.is((next.get(`b${found % 2}`) ?? 0) as number, found, `step ${step}: half a change`);
      await next.put('a', 99);
      await next.close();
    }
    assert.ok(step > 30, `only ${step} steps`);
  });
}

test.run();
