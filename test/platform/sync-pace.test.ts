import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { nodeFileSystem } from '../../src/platform/index.ts';
import { SyncPace } from '../../src/platform/sync-pace.ts';

const test = suite('sync pace');

function noted(...times: readonly (readonly [count: number, milliseconds: number])[]): SyncPace {
  const pace = new SyncPace();
  for (const [count, milliseconds] of times) for (let index = 0; index < count; index++) pace.note(milliseconds);
  return pace;
}

test('a device is quick after many quick syncs in a row', () => {
  assert.not.ok(noted().isQuick);
  assert.not.ok(noted([63, 0.2]).isQuick);
  assert.ok(noted([64, 0.2]).isQuick);
});

test('one slower sync begins the row anew; a memory card never gets there', () => {
  assert.not.ok(noted([63, 0.2], [1, 0.5], [63, 0.2]).isQuick);
  assert.not.ok(noted([1000, 5]).isQuick);
});

test('a quick device that is slow once is not waited for any more, until it has shown itself again', () => {
  assert.ok(noted([64, 0.2], [1, 0.9]).isQuick);
  assert.not.ok(noted([64, 0.2], [1, 20]).isQuick);
  assert.not.ok(noted([64, 0.2], [1, 20], [63, 0.2]).isQuick);
  assert.ok(noted([64, 0.2], [1, 20], [64, 0.2]).isQuick);
});

test('a sync that fails rejects in both ways', async () => {
  const file = nodeFileSystem.create(join(mkdtempSync(join(tmpdir(), 'holdfast-')), 'file'));
  for (let index = 0; index < 200; index++) {
    file.write(new Uint8Array(16), 0);
    await file.sync();
  }
  file.close();
  await file.sync().then(
    () => assert.unreachable(),
    (error: NodeJS.ErrnoException) => assert.is(error.code, 'EBADF'),
  );
});

test.run();
