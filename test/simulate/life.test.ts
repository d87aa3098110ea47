/** What simulated machines say, without any gateway. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SiteTime } from '../../src/platform/index.ts';
import { createChannels, decodeMessage, validateReport } from '../../src/protocols/machines/index.ts';
import { makeIdentity } from '../../src/simulate/identity.ts';
import { life, type Occurrence } from '../../src/simulate/life.ts';
import { seededRandom } from '../../src/simulate/random.ts';
import { ReportWriter } from '../../src/simulate/report-writer.ts';
import { ManualClock } from '../support/manual-clock.ts';

const test = suite('the life of a machine');
const siteTime = new SiteTime('Asia/Shanghai');
const channels = createChannels();

function steps(seed: number, count: number, layers = 5): Occurrence[] {
  const clock = new ManualClock();
  const minutesAgo = (minutes: number) => siteTime.format(clock.wallMs() - minutes * 60_000);
  const lived = life({ random: seededRandom(seed), layers, minutesAgo });
  return Array.from({ length: count }, () => lived.next().value.occurrence());
}

const word = (occurrence: Occurrence) => (occurrence.kind === 'process' ? occurrence.content.state : occurrence.kind);

test('every report of a long life is valid, and none is said twice', () => {
  const clock = new ManualClock();
  const identity = makeIdentity('sim-0001', 1, seededRandom(3));
  const writer = new ReportWriter({ identity, siteTime, clock });
  const said = new Set<string>();
  for (const occurrence of steps(3, 5000)) {
    const { channel, body, state } = writer.write(occurrence);
    const validation = validateReport(channels.get(channel)!, body);
    assert.ok(validation.ok, body.toString());
    assert.is(validation.ok && validation.unknownWord, undefined);
    assert.is(validation.serial, 'sim-0001');
    assert.is(validation.state, state);
    said.add(body.toString());
  }
  assert.is(said.size, 5000);
});

test('a wall clock that is set back does not turn the times back', () => {
  const clock = new ManualClock();
  const identity = makeIdentity('sim-0001', 1, seededRandom(3));
  const now = { wallMs: clock.wallMs() };
  const writer = new ReportWriter({ identity, siteTime, clock: { ...clock, wallMs: () => now.wallMs } as never });
  const timeOf = () => decodeMessage('base', writer.write({ kind: 'base' }).body)!.time;
  const first = timeOf();
  now.wallMs -= 3_600_000;
  const second = timeOf();
  assert.ok(second > first, `${second} after ${first}`);
});

test('the same seed is the same life, another seed is another', () => {
  assert.equal(steps(7, 500), steps(7, 500));
  assert.not.equal(steps(7, 500), steps(8, 500));
});

test('a start is started, initialized, base information once, and then a job', () => {
  const all = steps(11, 20_000).map(word);
  for (const [index, name] of all.entries()) {
    if (name === 'started') assert.match(all[index + 1]!, /^initialized$|^initializationFailed$/);
    if (name === 'initialized') assert.equal(all.slice(index + 1, index + 4), ['base', 'printStarted', 'preheating']);
    if (name === 'initializationFailed') assert.equal(all.slice(index + 1, index + 3), ['error', 'started']);
  }
  const count = (name: string) => all.filter((each) => each === name).length;
  assert.is(count('base'), count('initialized'));
  // What is rare does happen, and stays rare.
  for (const name of ['error', 'printPaused', 'printLeft', 'initializationFailed']) {
    assert.ok(count(name) > 0 && count(name) < all.length / 20, `${name} ${count(name)}`);
  }
});

test('each layer is spread and printed in its turn', () => {
  let layer = 0;
  for (const occurrence of steps(5, 5000, 6)) {
    if (occurrence.kind !== 'process') continue;
    const { state, spreadLayers, currentLayer } = occurrence.content;
    if (state === 'printStarted') layer = 0;
    if (state === 'spreading') assert.is(spreadLayers, ++layer);
    if (state === 'printing') assert.is(currentLayer, layer);
    if (state === 'printed') assert.is(layer, 6);
  }
});

test.run();
