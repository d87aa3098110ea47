/** Simulated devices by words, as `holdfast device` drives them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { simulatedChip } from '../../hardware/gpio/index.ts';
import { simulated as serial } from '../../hardware/serial/index.ts';
import { controlSimulated, listSimulated, SimulationError } from '../../hardware/simulated-devices/index.ts';

const act = (device: string, action: string, ...values: string[]) => controlSimulated({ device, action, values });

test('a button is pressed and let go, a relay is read', () => {
  const chip = simulatedChip('panel');
  assert.is(act('gpio:panel', 'press', '17'), 'line 17: 1 (unused)');
  assert.is(chip.level(17), 1);
  act('gpio:panel', 'release', '17');
  assert.is(chip.level(17), 0);
  act('gpio:panel', 'set', '4', '1');
  assert.is(act('gpio:panel', 'state', '4'), 'line 4: 1 (unused)');
  act('gpio:panel', 'unplug');
  assert.is(chip.plugged, false);
  assert.is(act('gpio:panel', 'plug'), 'plugged');
});

test('a serial device sends, and its plug is pulled', () => {
  assert.is(act('serial:printer', 'send', '{"a":1}\n'), 'nobody has the port open');
  assert.is(act('serial:printer', 'unplug'), 'unplugged');
  assert.is(serial.port('printer').state, 'unplugged');
  assert.is(act('serial:printer', 'plug'), 'plugged');
});

test('a network comes and goes', () => {
  assert.is(act('wifi:box', 'appear', 'site', 'secret'), 'not connected, 1 networks in reach');
  assert.is(act('wifi:box', 'vanish', 'site'), 'not connected, 0 networks in reach');
  assert.is(act('wifi:box', 'fail', 'denied'), 'failing: denied');
  act('wifi:box', 'fail');
});

test('all of them are listed', () => {
  assert.equal(
    listSimulated().map(({ device }) => device),
    ['gpio:panel', 'serial:printer', 'wifi:box'],
  );
});

test('what cannot be done says what can', () => {
  const cases: [string[], RegExp][] = [
    [['panel', 'press'], /gpio:NAME/],
    [['gpio:', 'press'], /gpio:NAME/],
    [['camera:a', 'press'], /kinds gpio, serial and wifi/],
    [['gpio:panel', 'push', '17'], /press, release, set/],
    [['gpio:panel', 'press'], /with a line/],
    [['gpio:panel', 'press', '99'], /no line/],
    [['gpio:panel', 'set', '4', 'high'], /0 or 1/],
    [['serial:printer', 'jam'], /plug, unplug, fail/],
    [['wifi:box', 'explode'], /appear/],
    [['wifi:box', 'fail', 'sunspots'], /driver-missing/],
  ];
  for (const [[device, action, ...values], text] of cases) {
    assert.throws(
      () => act(device!, action!, ...values),
      (error: unknown) => error instanceof SimulationError && text.test(error.message),
      `${device} ${action}`,
    );
  }
});

test.run();
