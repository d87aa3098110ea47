import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isHoldfastError } from '../../src/errors.ts';
import { lockFolder } from '../../src/spool/index.ts';
import { temporaryFolder } from '../support/temporary.ts';

const source = fileURLToPath(new URL('../../src/spool/lock.ts', import.meta.url));

async function hold(folder: string) {
  const script = `
    const { lockFolder } = await import(${JSON.stringify(source)});
    lockFolder(${JSON.stringify(folder)});
    globalThis.gc();
    console.log('locked');
    setInterval(() => {}, 1000);`;
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--expose-gc', '--input-type=module', '-e', script],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  await once(child.stdout, 'data');
  return child;
}

test('a second process is refused with the pid of the first, until that is gone in any way', async () => {
  const folder = temporaryFolder('lock-').file('spool');
  const first = await hold(folder);
  try {
    lockFolder(folder);
    assert.unreachable('took the folder of another process');
  } catch (error) {
    assert.ok(isHoldfastError(error, 'spool-locked'), String(error));
    assert.match((error as Error).message, `process ${first.pid}:`);
  }
  first.kill('SIGKILL');
  await once(first, 'exit');
  lockFolder(folder).release();
});

test('is free again after its release, and not taken twice by one process', () => {
  const folder = temporaryFolder('lock-').file('deep/spool');
  const lock = lockFolder(folder);
  assert.throws(
    () => lockFolder(folder),
    (error: unknown) => isHoldfastError(error, 'spool-locked'),
  );
  lock.release();
  lockFolder(folder).release();
});

test('needs no room on a disk that is full: what it locks has its page from the first start on', () => {
  const folder = temporaryFolder('lock-').file('spool');
  lockFolder(folder).release();
  const { size } = statSync(join(folder, 'lock'));
  assert.ok(size > 0);
  lockFolder(folder).release();
  assert.is(statSync(join(folder, 'lock')).size, size);
});

test.run();
