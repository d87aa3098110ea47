/** The sysfs driver on a folder with a kernel of the test's own; what stands in for onoff is told in fake-sysfs.ts. */

import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { openChip } from '@holdfast/hardware/gpio';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryFolder } from '../../support/temporary.ts';
import { until } from '../../support/until.ts';
import { type Bench, contract, failure, watch } from './contract.ts';
import { FakeSysfs, machines } from './fake-sysfs.ts';

const base = 512;
const test = suite<Bench & { kernel: FakeSysfs }>('GPIO over sysfs');
const onLost = () => undefined;
const pi4 = [{ folder: `gpiochip${base}`, label: 'pinctrl-bcm2711', base, lines: 58 }];

function open(kernel: FakeSysfs, uri = 'sysfs:pinctrl-bcm2711') {
  const load = async () => kernel.onoff();
  return openChip(uri, { sysfsRoot: kernel.root, sysfsFiles: kernel.files, load });
}

test.before.each((context) => {
  const kernel = new FakeSysfs(pi4);
  Object.assign(context, {
    kernel,
    chip: open(kernel),
    lines: 58,
    drive: (line: number, level: 0 | 1) => kernel.drive(base + line, level),
    level: (line: number) => kernel.level(base + line),
    takeAway: (line: number) => kernel.unexport(base + line),
    bringBack: () => undefined,
  });
});
contract(test as unknown as Parameters<typeof contract>[0]);

for (const { machine, model, bcm17, chips } of await machines()) {
  test(`BCM 17 is BCM 17: ${machine}`, async () => {
    const kernel = new FakeSysfs(chips);
    const modelFile = temporaryFolder().file('model');
    writeFileSync(modelFile, `${model}\0`);
    const options = { modelFile, sysfsRoot: kernel.root, sysfsFiles: kernel.files, load: async () => kernel.onoff() };
    const chip = openChip('sysfs:', options);
    const output = await chip.openOutput({ line: 17, owner: 'relay', initial: 1, onLost });
    assert.equal(kernel.exported(), [bcm17]);
    assert.is(kernel.level(bcm17), 1);
    await output.close();
  });
}

test('releases each line to the kernel', async ({ chip, kernel }) => {
  const { input } = await watch(chip, { line: 17 });
  const output = await chip.openOutput({ line: 22, owner: 'relay', atClose: 0, onLost });
  assert.equal(kernel.exported(), [base + 17, base + 22]);
  await input.close();
  await output.close();
  assert.equal(kernel.exported(), []);
});

test('an output whose value shall stay is left to the kernel as it is, and can be taken over', async ({
  chip,
  kernel,
}) => {
  const output = await chip.openOutput({ line: 22, owner: 'relay', initial: 1, onLost });
  await output.close();
  assert.is(kernel.level(base + 22), 1);
  assert.equal(kernel.exported(), [base + 22]);
  await (await chip.openOutput({ line: 22, owner: 'relay', initial: 1, atClose: 0, onLost })).close();
  assert.equal(kernel.exported(), []);
});

test('a line that was left exported by a crash is taken over', async ({ chip, kernel }) => {
  await kernel.files.write(`${kernel.root}/export`, String(base + 17));
  const { input } = await watch(chip, { line: 17 });
  await input.close();
});

test('what the kernel refuses has a code', async ({ chip, kernel }) => {
  kernel.held.add(base + 17);
  const input = () => failure(chip.openInput({ line: 17, owner: 'x', onEdge: () => undefined, onLost }));
  assert.is((await input()).code, 'busy');
  for (const [code, expected] of [
    ['EACCES', 'denied'],
    ['EINVAL', 'no-such-line'],
    ['ENOENT', 'no-gpio'],
  ] as const) {
    kernel.exportFails = code;
    assert.is((await input()).code, expected);
  }
  kernel.exportFails = undefined;
  kernel.held.clear();
  await (await watch(chip, { line: 17 })).input.close();
});

test('an input that would tell no change is refused and given back', async ({ chip, kernel }) => {
  kernel.edgeFails = true;
  assert.is((await failure(watch(chip, { line: 17 }))).code, 'denied');
  assert.equal(kernel.exported(), []);
  kernel.edgeFails = false;
  await (await watch(chip, { line: 17 })).input.close();
});

test('a pull is refused, with what to do', async ({ chip }) => {
  const error = await failure(chip.openInput({ line: 17, owner: 'x', pull: 'up', onEdge: () => undefined, onLost }));
  assert.is(error.code, 'unsupported');
  assert.match(error.message, 'gpiod');
});

test('no sysfs, and no such chip, say what is there', async ({ kernel }) => {
  const none = openChip('sysfs:pinctrl-bcm2711', { sysfsRoot: '/nonexistent' });
  assert.is((await failure(none.openOutput({ line: 17, owner: 'x', onLost }))).code, 'no-gpio');
  const error = await failure(open(kernel, 'sysfs:pinctrl-rp1').openOutput({ line: 17, owner: 'x', onLost }));
  assert.is(error.code, 'no-gpio');
  assert.match(error.message, 'pinctrl-bcm2711');
});

test('without the native part inputs say so and leave the line alone, outputs work', async ({ kernel }) => {
  const load = () => import('onoff-that-is-not-there' as string);
  const chip = openChip('sysfs:pinctrl-bcm2711', { sysfsRoot: kernel.root, sysfsFiles: kernel.files, load });
  await failure(chip.openInput({ line: 17, owner: 'x', onEdge: () => undefined, onLost }));
  assert.equal(kernel.exported(), []);
  await (await chip.openOutput({ line: 17, owner: 'x', atClose: 0, onLost })).close();
  assert.ok((await chip.describe()).problem);
});

test('the chip may be named by its folder', async ({ kernel }) => {
  await until(async () => (await open(kernel, `sysfs:gpiochip${base}`).describe()).label === 'pinctrl-bcm2711');
});

test('the real onoff has what is used of it, wherever its native part was built', async () => {
  const require = createRequire(import.meta.url);
  try {
    require.resolve('onoff');
    require('epoll');
  } catch {
    return;
  }
  const { Gpio } = require('onoff');
  for (const name of ['readSync', 'watch', 'direction', 'edge', 'unexport']) {
    assert.type(Gpio.prototype[name], 'function', name);
  }
});

test.run();
