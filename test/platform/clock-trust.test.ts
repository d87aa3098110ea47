import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ClockSynchronization, ClockTrust } from '../../src/platform/index.ts';
import { ManualClock } from '../support/manual-clock.ts';

const test = suite('clock trust');

test('the system is asked at once and every minute, and only changes are told', async () => {
  const clock = new ManualClock();
  const answers: ClockSynchronization[] = ['no', 'no', 'yes', 'yes'];
  const told: ClockSynchronization[] = [];
  const trust = new ClockTrust({
    clock,
    onChange: (state) => told.push(state),
    ask: async () => answers.shift() ?? 'yes',
  });
  await trust.start();
  assert.is(trust.state, 'no');
  await clock.advanceGently(60_000);
  assert.equal(told, ['no']);
  await clock.advanceGently(60_000);
  assert.equal(told, ['no', 'yes']);
  assert.is(trust.state, 'yes');
  trust.stop();
  await clock.advanceGently(600_000);
  assert.is(answers.length, 1);
});

test('this computer answers with one of the three', async () => {
  const trust = new ClockTrust({ clock: new ManualClock(), onChange: () => {} });
  await trust.start();
  assert.ok(['yes', 'no', 'unknown'].includes(trust.state));
  trust.stop();
});

test.run();
