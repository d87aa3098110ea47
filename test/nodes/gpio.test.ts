import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../support/until.ts';

import { helper, loadFlow } from './gpio-flow.ts';

const test = suite('gpio nodes');
const button = { id: 'button', type: 'holdfast-gpio-in', name: 'start button', line: '17', edges: 'both', debounce: 0 };
const relay = { id: 'relay', type: 'holdfast-gpio-out', name: 'door', line: '22', initial: '0', atStop: '0', pulse: 0 };

test.before(() => new Promise<void>((resolve) => helper.startServer(resolve)));
test.after(() => new Promise<void>((resolve) => helper.stopServer(resolve)));
test.after.each(() => helper.unload());

test('a pressed button is a message', async () => {
  const { chip, sent, lastStatus } = await loadFlow([{ ...button, activeLow: true, pull: 'up' }]);
  await until(() => lastStatus('button')?.text === '0');
  chip.press('17');
  chip.release('17');
  await until(() => sent.length === 2);
  assert.equal(
    sent.map(({ payload, topic }) => [payload, topic]),
    [
      [1, 'GPIO17'],
      [0, 'GPIO17'],
    ],
  );
  const [first, second] = sent.map(({ gpio }) => gpio as { line: number; edge: string; monotonicMs: number });
  assert.equal([first?.line, first?.edge, second?.edge], [17, 'rising', 'falling']);
  assert.ok(second!.monotonicMs >= first!.monotonicMs);
});

test('sends the value at start when it is asked for, and as true or false', async () => {
  const { sent, chip } = await loadFlow([{ ...button, sendInitial: true, payload: 'boolean' }]);
  await until(() => sent.length === 1);
  assert.is(sent[0]!.payload, false);
  assert.is((sent[0]!.gpio as { initial: boolean }).initial, true);
  chip.press(17);
  await until(() => sent.length === 2);
  assert.is(sent[1]!.payload, true);
});

test('a bouncing button is one message', async () => {
  const { chip, sent, lastStatus } = await loadFlow([{ ...button, edges: 'rising', debounce: '30' }]);
  await until(() => lastStatus('button')?.text === '0');
  for (let i = 0; i < 5; i++) {
    chip.press(17);
    chip.release(17);
  }
  chip.press(17);
  await until(() => sent.length > 0);
  chip.release(17);
  await until(() => lastStatus('button')?.text === '1');
  assert.equal(
    sent.map(({ payload }) => payload),
    [1],
  );
});

test('gpio out takes what it should, and refuses the rest', async () => {
  const { chip, node, caught, lastStatus } = await loadFlow([relay]);
  await until(() => lastStatus('relay')?.text === '0');
  for (const [payload, level] of [
    [1, 1],
    [0, 0],
    [true, 1],
    [false, 0],
    ['on', 1],
    ['off', 0],
  ] as const) {
    node('relay').receive({ payload });
    await until(() => chip.level(22) === level && lastStatus('relay')?.text === String(level));
  }
  const wrong = [undefined, null, 2, '1', 'ON', {}];
  for (const payload of wrong) node('relay').receive({ payload });
  await until(() => caught.length === wrong.length);
  assert.ok(caught.every(({ error }) => error.code === 'bad-input'));
  assert.is(chip.level(22), 0);
});

test('initial value, inversion, and the value at stop', async () => {
  const { chip, lastStatus } = await loadFlow([
    { ...relay, initial: '1', inverted: true },
    { ...relay, id: 'lamp', line: '23', initial: '1', atStop: 'keep' },
  ]);
  await until(() => lastStatus('relay')?.text === '1' && lastStatus('lamp')?.text === '1');
  assert.equal([chip.level(22), chip.level(23)], [0, 1]);
  await helper.unload();
  assert.equal([chip.level(22), chip.level(23)], [1, 1]);
});

test('a pulse ends by itself, by a 0, and when the flow stops', async () => {
  const { chip, node, lastStatus } = await loadFlow([
    { ...relay, pulse: '40' },
    { ...relay, id: 'long', line: '23', pulse: 3_600_000, atStop: 'keep' },
  ]);
  const levels: number[] = [];
  chip.on('output', (line, level) => line === 22 && levels.push(level));
  await until(() => lastStatus('relay')?.text === '0' && lastStatus('long')?.text === '0');
  node('relay').receive({ payload: 1 });
  await until(() => levels.length === 2);
  assert.equal(levels, [1, 0]);
  await until(() => lastStatus('relay')?.text === '0');
  node('long').receive({ payload: 1 });
  await until(() => chip.level(23) === 1);
  node('long').receive({ payload: 0 });
  await until(() => chip.level(23) === 0);
  node('long').receive({ payload: 1 });
  await until(() => chip.level(23) === 1);
  await helper.unload();
  assert.is(chip.level(23), 0);
});

test('a button drives a relay', async () => {
  const { chip, lastStatus } = await loadFlow([{ ...button, wires: [['relay']] }, relay]);
  await until(() => lastStatus('button')?.text === '0' && lastStatus('relay')?.text === '0');
  chip.press(17);
  await until(() => chip.level(22) === 1);
});

test('an unplugged chip is a status and an error, and comes back', async () => {
  const { chip, sent, caught, node, lastStatus } = await loadFlow([{ ...button, sendInitial: true }, relay]);
  await until(() => sent.length === 1 && lastStatus('relay')?.text === '0');
  chip.unplug();
  await until(() => caught.length >= 2 && lastStatus('button')?.fill === 'red' && lastStatus('relay')?.fill === 'red');
  assert.ok(caught.some(({ error }) => error.source.id === 'button' && error.code === 'lost'));
  node('relay').receive({ payload: 1 });
  await until(() => caught.some(({ error, payload }) => error.source.id === 'relay' && payload === 1));
  chip.plug();
  chip.press(17);
  await until(() => sent.at(-1)!.payload === 1 && lastStatus('relay')?.text === '0');
  assert.is(lastStatus('button')?.text, '1');
  // What could not be done is not done later.
  assert.is(chip.level(22), 0);
});

test('a line that fails comes back alone', async () => {
  const { chip, lastStatus, sent } = await loadFlow([button, { ...button, id: 'other', line: '18' }]);
  await until(() => lastStatus('button')?.text === '0' && lastStatus('other')?.text === '0');
  chip.fail(17);
  await until(() => lastStatus('button')?.text === 'gpio-in.status.lost');
  chip.press(18);
  await until(() => sent.length === 1);
  chip.repair(17);
  await until(() => lastStatus('button')?.text === '0');
});

test('two nodes on one line: the second is told who has it, and gets it when it is free', async () => {
  const second = { ...button, id: 'second', name: 'second' };
  const { caught, lastStatus, deploy } = await loadFlow([button, second]);
  await until(() => caught.length === 1 && lastStatus('button')?.text === '0');
  assert.is(caught[0]!.error.code, 'busy');
  assert.match(caught[0]!.error.message, 'gpio in "start button"');
  assert.is(lastStatus('second')?.text, 'gpio-in.status.busy');
  await deploy([second]);
  await until(() => lastStatus('second')?.text === '0');
});

test('a deploy releases the lines', async () => {
  const { chip, deploy, lastStatus } = await loadFlow([button, relay]);
  await until(() => lastStatus('button')?.text === '0' && lastStatus('relay')?.text === '0');
  await deploy([{ ...relay, id: 'moved', line: '17' }]);
  await until(() => lastStatus('moved')?.text === '0');
  assert.is(chip.state(17).direction, 'out');
  assert.is(chip.state(22).direction, 'unused');
});

test('settings that make no sense are told, and nothing crashes', async () => {
  const { lastStatus, caught, node } = await loadFlow([
    { ...button, id: 'no-line', line: '' },
    { ...button, id: 'newer', version: 99 },
    { ...button, id: 'wild', debounce: 'long' },
    { ...button, id: 'no-such', line: '500' },
    { ...button, id: 'no-uri', chip: 'tty:0' },
    { ...relay, id: 'out', line: '', initial: '7' },
    { ...relay, id: 'out-uri', chip: 'nonsense' },
  ]);
  await until(() => caught.length >= 7);
  for (const id of ['no-line', 'newer', 'wild']) assert.is(lastStatus(id)?.text, 'gpio-in.status.bad-settings', id);
  await until(() => lastStatus('no-such')?.text === 'gpio-in.status.no-such-line');
  assert.is(lastStatus('no-uri')?.text, 'gpio-in.status.invalid-settings');
  assert.is(lastStatus('out-uri')?.text, 'gpio-out.status.invalid-settings');
  node('out').receive({ payload: 1 });
  await until(() => caught.some(({ payload }) => payload === 1));
});

test('without GPIO the node says so', async () => {
  const { lastStatus, caught } = await loadFlow([{ ...button, chip: 'sysfs:no-such-chip' }]);
  await until(() => lastStatus('button')?.text === 'gpio-in.status.no-gpio');
  await until(() => caught.length === 1);
});

test('the dialogs get board, pins and who uses them', async () => {
  const { chip, lastStatus } = await loadFlow([button]);
  await until(() => lastStatus('button')?.text === '0');
  const { body } = await helper.request().get(`/holdfast/gpio?chip=sim:${chip.name}`).expect(200);
  assert.is(body.pins.length, 40);
  assert.equal(body.used, [{ line: 17, owner: 'gpio in "start button"' }]);
  assert.is(body.chip.driver, 'simulated');
  const { body: none } = await helper.request().get('/holdfast/gpio?chip=nonsense').expect(400);
  assert.match(none.error, 'no GPIO chip');
  await helper.request().get('/holdfast/gpio').expect(200);
});

test.run();
