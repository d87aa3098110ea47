// deadline: 3600s
/**
 * The long form of histories.test.ts: HOLDFAST_SPOOL_HISTORIES (5,000) histories from HOLDFAST_SPOOL_SEED, which is drawn
 * when it is not given.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { describeFailure, findFailure } from './model/history.ts';

test('thousands of histories', async () => {
  const first = Number(process.env.HOLDFAST_SPOOL_SEED ?? Math.floor(Math.random() * 1e9));
  const count = Number(process.env.HOLDFAST_SPOOL_HISTORIES ?? 5000);
  const [done, failure] = await findFailure(first, count, Number.POSITIVE_INFINITY);
  if (failure) assert.unreachable(describeFailure(failure));
  console.log(`${done} histories from seed ${first}`);
  assert.is(done, count);
});

test.run();
