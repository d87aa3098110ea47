// slow
/** Random histories against a model: see model/. The long form is histories.long.ts. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { describeFailure, findFailure, makeHistory } from './model/history.ts';
import { type Operation, operations } from './model/operations.ts';

test('whatever happens, the spool holds what it acknowledged', async () => {
  const first = Number(process.env.HOLDFAST_SPOOL_SEED ?? 1);
  const [done, failure] = await findFailure(first, 50, performance.now() + 60_000);
  if (failure) assert.unreachable(describeFailure(failure));
  console.log(`${done} histories from seed ${first}`);
  assert.ok(done >= 20, `only ${done} histories in a minute`);
  const kinds = new Set(Array.from({ length: done }, (_, index) => makeHistory(first + index)).flatMap(kindsOf));
  assert.equal([...kinds].sort(), Object.keys(operations).sort(), 'each kind of operation has been there');
});

function kindsOf(history: readonly Operation[]): string[] {
  return history.map(({ kind }) => kind);
}

test.run();
