import { writeFileSync } from 'node:fs';
import { GpiodTools, GpioError, openChip, simulatedChip } from '@holdfast/hardware/gpio';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryFolder } from '../../support/temporary.ts';
import { failure, watch } from './contract.ts';
import { FakeGpiod } from './fake-gpiod.ts';
import { FakeSysfs } from './fake-sysfs.ts';

const test = suite('auto: picks a driver');
const onLost = () => undefined;
const noTools = new GpiodTools({ folders: ['/nonexistent'] });

/** A Pi 5 on which some ways to its pins are there. */
function pi5({ sysfs = true, onoff = true, gpiod = true }) {
  const modelFile = temporaryFolder().file('model');
  writeFileSync(modelFile, 'Raspberry Pi 5 Model B Rev 1.0\0');
  const kernel = new FakeSysfs(sysfs ? [{ folder: 'gpiochip569', label: 'pinctrl-rp1', base: 569, lines: 54 }] : []);
  const fake = gpiod ? new FakeGpiod({ version: 2 }) : undefined;
  const load = async () => {
    if (onoff) return kernel.onoff();
    throw new GpioError('driver-missing', 'epoll was not built');
  };
  const tools = fake?.tools ?? noTools;
  const chip = openChip('auto:', { modelFile, sysfsRoot: kernel.root, sysfsFiles: kernel.files, load, tools });
  return { chip, kernel, fake };
}

test('sysfs where it is there, libgpiod for inputs that want a pull', async () => {
  const { chip, kernel, fake } = pi5({});
  const { driver, label, explanation, problem } = await chip.describe();
  assert.equal([driver, label, problem], ['sysfs', 'pinctrl-rp1', undefined]);
  assert.match(explanation, 'Raspberry Pi 5');
  const plain = await watch(chip, { line: 17 });
  assert.equal(kernel.exported(), [569 + 17]);
  const pulled = await watch(chip, { line: 27, pull: 'up' });
  assert.is(fake!.asked('bias'), 'pull-up');
  assert.equal(kernel.exported(), [569 + 17]);
  await plain.input.close();
  await pulled.input.close();
});

test('libgpiod where sysfs is gone, and says why', async () => {
  const { chip, fake } = pi5({ sysfs: false });
  const { driver, explanation } = await chip.describe();
  assert.is(driver, 'gpiod');
  assert.match(explanation, 'because over sysfs');
  const output = await chip.openOutput({ line: 22, owner: 'relay', initial: 1, onLost });
  assert.is(fake!.level(22), 1);
  await output.close();
});

test('without libgpiod a pull is an error that says what to install, and the rest works', async () => {
  const { chip } = pi5({ gpiod: false });
  assert.is((await chip.describe()).driver, 'sysfs');
  const error = await failure(watch(chip, { line: 17, pull: 'down' }));
  assert.is(error.code, 'unsupported');
  assert.match(error.message, 'install gpiod');
});

test('without anything that reads inputs, outputs still work over sysfs', async () => {
  const { chip, kernel } = pi5({ onoff: false, gpiod: false });
  assert.is((await failure(watch(chip, { line: 17 }))).code, 'driver-missing');
  assert.is((await chip.describe()).problem?.code, 'driver-missing');
  const output = await chip.openOutput({ line: 22, owner: 'relay', initial: 1, atClose: 0, onLost });
  assert.is(kernel.level(569 + 22), 1);
  await output.close();
});

test('with nothing at all the state is clear', async () => {
  const { chip } = pi5({ sysfs: false, gpiod: false });
  const { driver, problem } = await chip.describe();
  assert.equal([driver, problem?.code], ['none', 'driver-missing']);
  assert.is((await failure(watch(chip, { line: 17 }))).code, 'driver-missing');
});

test('a PC has no pins, and is told what to name', async () => {
  const chip = openChip('auto:', { modelFile: '/nonexistent', arch: 'x64', tools: noTools });
  const error = await failure(watch(chip, { line: 17 }));
  assert.is(error.code, 'no-gpio');
  assert.match(error.message, 'sim:NAME');
  assert.is((await chip.describe()).problem?.code, 'no-gpio');
});

test('the board may be named, also the simulated one', async () => {
  const chip = openChip('auto:', { board: 'simulated' });
  const { input } = await watch(chip, { line: 17 });
  simulatedChip('box').press(17);
  assert.is(input.value, 1);
  assert.is((await chip.describe()).driver, 'simulated');
  await input.close();
});

test('a URI that is none is refused', () => {
  for (const uri of ['', 'gpio', 'tty:/dev/x', 'sim:', 'sim:a b', 'auto:x']) {
    assert.throws(
      () => openChip(uri),
      (error: GpioError) => error.code === 'invalid-settings',
    );
  }
});

test.run();
