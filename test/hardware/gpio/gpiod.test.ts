/**
 * The driver over libgpiod's programs, in both versions of their command line, on stand-ins: there is no chip here. The
 * command lines are also given to the real programs where these are installed.
 */

import { spawnSync } from 'node:child_process';
import { openChip } from '@holdfast/hardware/gpio';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GpiodTools, parseEdge, toolError } from '../../../hardware/gpio/gpiod-tools.ts';
import { until } from '../../support/until.ts';
import { type Bench, contract, failure, watch } from './contract.ts';
import { FakeGpiod } from './fake-gpiod.ts';

const onLost = () => undefined;

for (const version of [1, 2] as const) {
  const test = suite<Bench & { fake: FakeGpiod }>(`GPIO over libgpiod ${version}`);
  test.before.each((context) => {
    const fake = new FakeGpiod({ version });
    Object.assign(context, {
      fake,
      chip: openChip('gpiod:pinctrl-rp1', { tools: fake.tools }),
      lines: 54,
      drive: (line: number, level: 0 | 1) => fake.drive(line, level),
      level: (line: number) => fake.level(line),
      takeAway: async (line: number) => {
        const holder = fake.holder(line)!;
        process.kill(holder, 'SIGKILL');
        await until(() => !alive(holder));
      },
      bringBack: () => undefined,
    });
  });
  contract(test as unknown as Parameters<typeof contract>[0]);

  test('asks for pulls and gives the process back', async ({ chip, fake }) => {
    for (const [pull, bias] of [
      ['up', 'pull-up'],
      ['none', version === 1 ? 'disable' : 'disabled'],
    ] as const) {
      const { input } = await watch(chip, { line: 17, pull, debounceMs: 5 });
      assert.is(fake.asked('bias'), bias);
      if (version === 2) assert.is(fake.asked('debounce'), '5000us');
      const holder = fake.holder(17)!;
      await input.close();
      assert.not(alive(holder));
    }
  });

  test('another program that has the line is named', async ({ chip, fake }) => {
    const other = openChip('gpiod:gpiochip4', { tools: fake.tools });
    const { input } = await watch(other, { line: 17 });
    // As if it were another process: this driver knows nothing of it.
    const error = await failure(
      fake.tools.get({ chip: 'gpiochip4', line: 17, activeLow: false, pull: 'as-is', debounceMs: 0 }),
    );
    assert.is(error.code, 'busy');
    assert.is((await fake.tools.lines('gpiochip4'))[17]!.usedBy, 'gpiomon');
    await input.close();
    assert.is((await fake.tools.lines('gpiochip4'))[17]!.usedBy, undefined);
    assert.is((await chip.describe()).label, 'pinctrl-rp1');
  });

  test('a line may be given by the name that the kernel knows', async ({ chip }) => {
    const error = await failure(chip.openOutput({ line: 'RELAY', owner: 'x', onLost }));
    assert.is(error.code, 'no-such-line');
    assert.match(error.message, 'gpioinfo');
  });

  test('a chip that is not there is an error that lists those that are', async ({ fake }) => {
    const chip = openChip('gpiod:expander', { tools: fake.tools });
    const error = await failure(chip.openOutput({ line: 1, owner: 'x', onLost }));
    assert.is(error.code, 'no-gpio');
    assert.match(error.message, 'pinctrl-rp1');
  });

  test.run();
}

const test = suite('GPIO over libgpiod');

test('tools that are not installed are a clear state', async () => {
  const chip = openChip('gpiod:gpiochip0', { tools: new GpiodTools({ folders: ['/nonexistent'] }) });
  const error = await failure(chip.openOutput({ line: 1, owner: 'x', onLost }));
  assert.is(error.code, 'driver-missing');
  assert.match(error.message, 'install the package gpiod');
  assert.is((await chip.describe()).problem?.code, 'driver-missing');
});

test('reads what each version prints', () => {
  assert.equal(parseEdge('rising 12.000500000'), { value: 1, monotonicMs: 12000.5 });
  assert.equal(parseEdge('0 12 500000'), { value: 0, monotonicMs: 12000.5 });
  assert.is(parseEdge("Monitoring line '17'..."), undefined);
});

test('knows what the programs complain about', () => {
  for (const [text, code] of [
    ["gpiomon: unable to request lines on chip '/dev/gpiochip0': Device or resource busy", 'busy'],
    ['gpioset: error setting the GPIO line values: Device or resource busy', 'busy'],
    ["gpioget: unable to open chip '/dev/gpiochip0': Permission denied", 'denied'],
    ["gpioget: offset 99 is out of range on chip 'gpiochip0'", 'no-such-line'],
    ['gpiomon: error waiting for events: Invalid argument', 'no-such-line'],
    ['gpioset: error setting the GPIO line values: No such file or directory', 'no-gpio'],
    ["gpiomon: cannot find GPIO chip character device 'gpiochip0'", 'no-gpio'],
  ] as const) {
    assert.is(toolError('gpiomon', text).code, code, text);
  }
});

test('the real programs, where they are installed, understand the command lines', async () => {
  if (spawnSync('gpiodetect', ['--version']).error) return;
  const tools = new GpiodTools();
  const request = { chip: 'no-such-chip', line: 17, activeLow: true, pull: 'none', debounceMs: 5 } as const;
  assert.is((await failure(tools.get(request))).code, 'no-gpio');
  assert.is((await failure(tools.lines('no-such-chip'))).code, 'no-gpio');
  // One after the other: what one says must not be over before it is listened to.
  for (const begin of [() => tools.monitor(request), () => tools.hold(request, 1)]) {
    const child = await begin();
    let said = '';
    child.stderr.on('data', (chunk) => {
      said += chunk;
    });
    await new Promise((resolve) => child.once('close', resolve));
    assert.is(toolError('real', said).code, 'no-gpio', said);
    assert.match(said, /No such file|cannot find GPIO chip/);
  }
});

test.run();

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
