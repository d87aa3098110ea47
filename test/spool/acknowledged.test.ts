import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Acknowledged } from '../../src/spool/acknowledged.ts';
import { Random } from '../support/random.ts';

test('agrees with a set, whatever the order', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = new Random(seed);
    const first = random.below(3) * 10;
    const size = random.pick([10, 60, 300]);
    let real = new Acknowledged(first);
    const done = new Set<number>();
    const moved = new Set<number>();
    for (let turn = 0; turn < 150; turn++) {
      const ordinal = first + random.below(size);
      if (random.chance(0.7)) {
        const isMoved = random.chance(0.3);
        assert.is(real.add(ordinal, isMoved), !done.has(ordinal));
        if (isMoved && !done.has(ordinal)) moved.add(ordinal);
        done.add(ordinal);
      } else {
        const to = ordinal + random.below(8);
        let added = 0;
        for (let each = ordinal; each < to; each++) if (!done.has(each) && done.add(each)) added++;
        assert.is(real.addRange(ordinal, to), added);
      }
      check(real, done, moved, first, first + size + 10, random);
      if (random.chance(0.02)) {
        real = new Acknowledged(real.cursor, real.bounds(real.ranges));
        moved.clear();
      }
    }
  }
});

function check(
  real: Acknowledged,
  done: ReadonlySet<number>,
  moved: ReadonlySet<number>,
  first: number,
  end: number,
  random: Random,
): void {
  let cursor = first;
  while (done.has(cursor)) cursor++;
  assert.is(real.cursor, cursor);
  const beyond = [...done].filter((ordinal) => ordinal >= cursor);
  assert.is(real.beyond, beyond.length);
  assert.is(real.end, beyond.length === 0 ? cursor : Math.max(...beyond) + 1);
  assert.is(real.movedAfter(0), beyond.filter((ordinal) => moved.has(ordinal)).length);
  const bounds = real.bounds(real.ranges);
  assert.is(bounds.length, real.ranges * 2);
  for (let index = 1; index < bounds.length; index++) assert.ok(bounds[index]! > bounds[index - 1]!, 'ascending');
  for (let ordinal = first; ordinal < end; ordinal++) {
    assert.is(real.has(ordinal), ordinal < cursor || done.has(ordinal), `has ${ordinal}`);
  }
  const from = first + random.below(end - first);
  const to = from + random.below(12);
  let covers = true;
  for (let ordinal = from; ordinal < to; ordinal++) covers &&= ordinal < cursor || done.has(ordinal);
  assert.is(real.covers(from, to), covers, `covers ${from} to ${to}`);
}

test('keeps the count of moved ones per range', () => {
  const real = new Acknowledged(0);
  for (let ordinal = 1; ordinal < 20; ordinal += 2) real.add(ordinal, ordinal > 10);
  assert.is(real.ranges, 10);
  assert.is(real.movedAfter(0), 5);
  assert.is(real.movedAfter(7), 3);
  real.addRange(0, 14);
  assert.is(real.cursor, 14);
  assert.is(real.movedAfter(0), 3);
});

test.run();
