import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EdgeFilter } from '../../../hardware/gpio/edge-filter.ts';
import type { Edges, LineEvent } from '../../../hardware/gpio/port.ts';

/** Time that moves only when told. */
function setUp({ debounceMs = 0, edges = 'both' as Edges } = {}) {
  let now = 0;
  let waiting: { at: number; run: () => void }[] = [];
  const timers = {
    now: () => now,
    after(ms: number, run: () => void) {
      const entry = { at: now + ms, run };
      waiting.push(entry);
      return () => {
        waiting = waiting.filter((other) => other !== entry);
      };
    },
  };
  const events: LineEvent[] = [];
  const filter = new EdgeFilter({ initial: 0, edges, debounceMs, timers, onEdge: (event) => events.push(event) });
  const advance = (ms: number) => {
    now += ms;
    const due = waiting.filter(({ at }) => at <= now);
    waiting = waiting.filter(({ at }) => at > now);
    for (const { run } of due) run();
  };
  return { filter, events, advance, feed: (level: 0 | 1) => filter.feed(level, now) };
}

const test = suite('edges and debounce');

test('without debounce every change is told at once', () => {
  const { feed, events } = setUp();
  feed(1);
  feed(1);
  feed(0);
  assert.equal(
    events.map(({ value }) => value),
    [1, 0],
  );
});

test('a bouncing contact is one change, with the time at which its level began', () => {
  const { feed, events, advance, filter } = setUp({ debounceMs: 20 });
  for (const level of [1, 0, 1, 0, 1] as const) {
    feed(level);
    advance(5);
  }
  assert.equal(events, []);
  assert.is(filter.value, 0);
  advance(15);
  assert.equal(events, [{ value: 1, edge: 'rising', monotonicMs: 20 }]);
  assert.is(filter.value, 1);
});

test('a spike that is shorter is nothing', () => {
  const { feed, events, advance } = setUp({ debounceMs: 20 });
  feed(1);
  advance(19);
  feed(0);
  advance(100);
  assert.equal(events, []);
});

test('only the wanted edge is told', () => {
  const { feed, events } = setUp({ edges: 'rising' });
  for (const level of [1, 0, 1] as const) feed(level);
  assert.equal(
    events.map(({ edge }) => edge),
    ['rising', 'rising'],
  );
});

test('nothing is told after it is closed', () => {
  const { feed, events, advance, filter } = setUp({ debounceMs: 20 });
  feed(1);
  filter.close();
  advance(100);
  assert.equal(events, []);
});

test.run();
