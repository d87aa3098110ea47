import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PendingIndex } from '../../src/spool/pending-index.ts';

test("gives a machine's ordinals in order, each once", () => {
  const index = new PendingIndex(10);
  for (const ordinal of [9, 3, 7, 3]) index.add('A1', ordinal);
  index.add('B2', 4);
  assert.equal(index.of('A1'), [3, 7, 9]);
  index.remove(7);
  index.remove(7);
  index.remove(1000);
  assert.equal(index.of('A1'), [3, 9]);
  assert.equal(index.of('C3'), []);
  index.removeBefore(9);
  assert.equal(index.of('A1'), [9]);
  assert.equal(index.of('B2'), []);
});

test('is bounded, and says when something did not fit', () => {
  const index = new PendingIndex(3);
  for (let ordinal = 0; ordinal < 3; ordinal++) index.add('A1', ordinal);
  assert.is(index.isComplete(0), true);
  index.add('A1', 3);
  assert.is(index.isComplete(0), false);
  index.remove(0);
  index.add('A1', 4);
  for (const ordinal of [1, 2, 4]) index.remove(ordinal);
  assert.is(index.isComplete(3), false, 'the one that did not fit may still wait');
  assert.is(index.isComplete(4), true);
});

test.run();
