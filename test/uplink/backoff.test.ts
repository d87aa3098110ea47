import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Clock } from '../../src/platform/index.ts';
import { Backoff } from '../../src/uplink/backoff.ts';

const test = suite('backoff');

function backoff(random: () => number) {
  let nowMs = 0;
  const clock = { monotonicMs: () => nowMs } as Clock;
  return {
    pauses: new Backoff({ firstMs: 500, maxMs: 30_000, stableMs: 10_000, clock, random }),
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
}

test('the longest pause doubles up to the limit', () => {
  const { pauses } = backoff(() => 1);
  assert.equal(
    Array.from({ length: 9 }, () => pauses.next()),
    [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000],
  );
});

test('a pause is anywhere between nothing and the longest', () => {
  const draws = [0, 0.5, 0.999];
  const { pauses } = backoff(() => draws.shift()!);
  assert.is(pauses.next(), 0);
  assert.is(pauses.next(), 500);
  assert.is(pauses.next(), 1998);
});

test('a success that lasted begins anew, a short one does not', () => {
  const { pauses, pass } = backoff(() => 1);
  for (let i = 0; i < 4; i++) pauses.next();
  pauses.succeeded();
  pass(9_999);
  assert.is(pauses.next(), 8000);
  pauses.succeeded();
  pass(10_000);
  assert.is(pauses.next(), 500);
  assert.is(pauses.next(), 1000);
});

test('ten thousand failures later it is still the limit', () => {
  const { pauses } = backoff(() => 1);
  for (let i = 0; i < 10_000; i++) pauses.next();
  assert.is(pauses.next(), 30_000);
});

test.run();
