import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Turns } from '../../src/platform/index.ts';

test('a few of a key at once, in their order; those of another key do not wait, and a failure passes the place on', async () => {
  const turns = new Turns(2);
  const begun: string[] = [];
  const ends = new Map<string, (error?: Error) => void>();
  const take = (key: string, name: string) =>
    turns.take(key, () => {
      begun.push(name);
      return new Promise<string>((resolve, reject) => {
        ends.set(name, (error) => (error ? reject(error) : resolve(name)));
      });
    });
  const work = ['1', '2', '3', '4'].map((name) => take('a', name).catch((error: Error) => error.message));
  const other = take('b', 'x');
  await Promise.resolve();
  assert.equal(begun, ['1', '2', 'x']);
  ends.get('2')!(new Error('failed'));
  assert.is(await work[1], 'failed');
  assert.equal(begun, ['1', '2', 'x', '3']);
  ends.get('1')!();
  await work[0];
  assert.equal(begun, ['1', '2', 'x', '3', '4']);
  for (const name of ['3', '4', 'x']) ends.get(name)!();
  assert.equal(await Promise.all([...work, other]), ['1', 'failed', '3', '4', 'x']);
});

test.run();
