// slow
/** Random histories against a model: see model/. The long form is histories.long.ts. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { describeFailure, findFailure } from './model/history.ts';

test('whatever happens, the spool holds what it acknowledged', async () => {
  const first = Number(process.env.HOLDFAST_SPOOL_SEED ?? 1);
  const [done, failure] = await findFailure(first, 300, performance.now() + 20_000);
  if (failure) assert.unreachable(describeFailure(failure));
  console.log(`${done} histories from seed ${first}`);
  assert.ok(done >= 20, `only ${done} histories in 20 s`);
});

test.run();
