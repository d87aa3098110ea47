import { openChip, simulatedChip, simulatedChips } from '@holdfast/hardware/gpio';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../../support/until.ts';
import { type Bench, contract, failure, watch } from './contract.ts';

const test = suite<Bench>('simulated GPIO');
let count = 0;
test.before.each((context) => {
  const name = `bench-${++count}`;
  const chip = simulatedChip(name);
  Object.assign(context, {
    chip: openChip(`sim:${name}`),
    lines: chip.lines,
    drive: (line: number, level: 0 | 1) => chip.set(line, level),
    level: (line: number) => chip.level(line),
    takeAway: (line: number) => chip.fail(line),
    bringBack: (line: number) => chip.repair(line),
  } satisfies Bench);
});
contract(test);

test('a pressed button is active, whichever way it is wired', async () => {
  for (const options of [{}, { activeLow: true }, { pull: 'up', activeLow: true }, { pull: 'down' }] as const) {
    const chip = simulatedChip(`button-${++count}`);
    const { input, events } = await watch(openChip(`sim:${chip.name}`), { line: 17, ...options });
    chip.press('17');
    chip.release('GPIO17');
    await until(() => events.length === 2);
    assert.equal(
      events.map(({ value }) => value),
      [1, 0],
      JSON.stringify(options),
    );
    await input.close();
  }
});

test('with a pull-up and without active low, pressing is 0', async () => {
  const chip = simulatedChip(`button-${++count}`);
  const { input } = await watch(openChip(`sim:${chip.name}`), { line: 17, pull: 'up' });
  assert.is(input.value, 1);
  chip.press(17);
  assert.is(input.value, 0);
  await input.close();
});

test('a button that was pressed before the line is opened is seen', async () => {
  const chip = simulatedChip(`button-${++count}`);
  chip.press(5);
  const { input } = await watch(openChip(`sim:${chip.name}`), { line: 5, pull: 'up', activeLow: true });
  assert.is(input.value, 1);
  await input.close();
});

test('unplugging takes every line; plugging in gives them back', async () => {
  const simulated = simulatedChip(`usb-${++count}`);
  const chip = openChip(`sim:${simulated.name}`);
  const lost: string[] = [];
  await watch(chip, { line: 1, onLost: () => lost.push('in') });
  await chip.openOutput({ line: 2, owner: 'relay', onLost: () => lost.push('out') });
  simulated.unplug();
  assert.equal(lost, ['in', 'out']);
  const error = await failure(chip.openOutput({ line: 2, owner: 'relay', onLost: () => undefined }));
  assert.is(error.code, 'no-gpio');
  assert.is((await chip.describe()).problem?.code, 'no-gpio');
  simulated.plug();
  await (await chip.openOutput({ line: 2, owner: 'relay', onLost: () => undefined })).close();
});

test('tells the outside what the program drives', async () => {
  const simulated = simulatedChip(`relay-${++count}`);
  const seen: [number, number][] = [];
  simulated.on('output', (line, level) => seen.push([line, level]));
  const output = await openChip(`sim:${simulated.name}`).openOutput({
    line: 22,
    owner: 'r',
    initial: 1,
    onLost: () => undefined,
  });
  await output.write(0);
  await output.close();
  assert.equal(seen, [
    [22, 1],
    [22, 0],
  ]);
  assert.equal(simulated.states(), [{ line: 22, level: 0, direction: 'unused' }]);
});

test('every simulated chip can be found by name', () => {
  const chip = simulatedChip('by-name');
  assert.is(simulatedChips().get('by-name'), chip);
  assert.is(simulatedChip('by-name'), chip);
  assert.throws(() => chip.press(99), /has no line/);
});

test.run();
