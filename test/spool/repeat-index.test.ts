import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RepeatIndex } from '../../src/spool/repeat-index.ts';

const all = (index: RepeatIndex, low: number, oldest = 0) => {
  const slots: number[] = [];
  for (let slot = index.first(low, oldest); slot !== undefined; slot = index.next(slot, oldest)) slots.push(slot);
  return slots;
};

test('finds the slots of the same bits, newest first, without those that are too old, emptied, or share the chain only', () => {
  // Four chains: 1, 5 and 9 are of one.
  const index = new RepeatIndex(8);
  for (const [slot, low] of [1, 5, 1, 9, 1].entries()) index.add(slot, low, slot * 10);
  assert.equal(all(index, 1), [4, 2, 0]);
  assert.equal(all(index, 5), [1]);
  assert.equal(all(index, 1, 20), [4, 2]);
  assert.equal(all(index, 13), []);
  // From the end, the middle and the head of the chain.
  assert.is(index.remove(0), 0);
  assert.is(index.remove(2), 20);
  assert.equal(all(index, 1), [4]);
  assert.equal(all(index, 5), [1]);
  assert.is(index.remove(4), 40);
  assert.equal(all(index, 1), []);
  assert.equal(all(index, 9), [3]);
  assert.is(index.remove(4), -1);
  index.add(4, 5, 50);
  assert.equal(all(index, 5), [4, 1]);
  assert.equal(all(index, 9), [3]);
});

test.run();
