/**
 * What every GPIO driver promises (hardware/gpio/port.ts), run against each of them. The bench presses and looks at the
 * lines from outside, electrically.
 */

import type { GpioChip, GpioError, InputOptions, Level, LineEvent } from '@holdfast/hardware/gpio';
import type { uvu } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../../support/until.ts';

/** The outside of a chip under test. */
export interface Bench {
  readonly chip: GpioChip;
  /** Drives an electrical level onto a line. */
  drive(line: number, level: Level): void | Promise<void>;
  /** The electrical level of a line. */
  level(line: number): Level | Promise<Level>;
  /** Takes the line away while it is open. */
  takeAway(line: number): void | Promise<void>;
  /** Undoes `takeAway`. */
  bringBack(line: number): void | Promise<void>;
  /** Lines of the chip; the next number is no line. */
  readonly lines: number;
}

export function contract(test: uvu.Test<Bench>): void {
  test('tells each change of an input, and its value', async ({ chip, drive }) => {
    const { input, events } = await watch(chip, { line: 17 });
    assert.is(input.value, 0);
    await drive(17, 1);
    await until(() => events.length === 1);
    await drive(17, 0);
    await until(() => events.length === 2);
    assert.equal(
      events.map(({ value, edge }) => [value, edge]),
      [
        [1, 'rising'],
        [0, 'falling'],
      ],
    );
    assert.ok(events[1]!.monotonicMs >= events[0]!.monotonicMs);
    assert.is(input.value, 0);
    await input.close();
  });

  test('an input knows its value from the start', async ({ chip, drive }) => {
    await drive(4, 1);
    const { input, events } = await watch(chip, { line: 'GPIO4' });
    assert.is(input.line, 4);
    assert.is(input.value, 1);
    assert.equal(events, []);
    await input.close();
  });

  test('tells only the wanted edges, and knows the value all the same', async ({ chip, drive }) => {
    const { input, events } = await watch(chip, { line: 17, edges: 'falling' });
    await drive(17, 1);
    await until(() => input.value === 1);
    await drive(17, 0);
    await until(() => events.length === 1);
    assert.is(events[0]!.edge, 'falling');
    await input.close();
  });

  test('active low turns an input around', async ({ chip, drive }) => {
    await drive(17, 1);
    const { input, events } = await watch(chip, { line: 17, activeLow: true });
    assert.is(input.value, 0);
    await drive(17, 0);
    await until(() => events.length === 1);
    assert.is(events[0]!.edge, 'rising');
    assert.is(input.value, 1);
    await input.close();
  });

  test('a change that lasts long enough is told when debounced', async ({ chip, drive }) => {
    const { input, events } = await watch(chip, { line: 17, debounceMs: 20 });
    await drive(17, 1);
    await until(() => events.length === 1);
    assert.is(input.value, 1);
    await input.close();
  });

  test('an output has its initial value, what is written, and its value at close', async ({ chip, level }) => {
    const output = await chip.openOutput({ line: 22, owner: 'relay', initial: 1, atClose: 0, onLost });
    assert.is(await level(22), 1);
    await output.write(0);
    assert.is(await level(22), 0);
    await output.write(1);
    assert.is(await level(22), 1);
    assert.is(output.value, 1);
    await output.close();
    assert.is(await level(22), 0);
    await output.close();
  });

  test('active low turns an output around', async ({ chip, level }) => {
    const output = await chip.openOutput({ line: 22, owner: 'relay', initial: 1, activeLow: true, atClose: 0, onLost });
    assert.is(await level(22), 0);
    await output.write(0);
    assert.is(await level(22), 1);
    await output.close();
  });

  test('writes that come at once happen in their order', async ({ chip, level }) => {
    const output = await chip.openOutput({ line: 22, owner: 'relay', onLost });
    await Promise.all([output.write(1), output.write(0), output.write(1)]);
    assert.is(await level(22), 1);
    await output.close();
  });

  test('a line has one owner, and the second is told who it is', async ({ chip }) => {
    const { input } = await watch(chip, { line: 17, owner: 'door contact' });
    const error = await failure(chip.openOutput({ line: 17, owner: 'relay', onLost }));
    assert.is(error.code, 'busy');
    assert.match(error.message, 'door contact');
    await input.close();
    await (await chip.openOutput({ line: 17, owner: 'relay', onLost })).close();
  });

  test('a line that does not exist is an error', async ({ chip, lines }) => {
    assert.is((await failure(chip.openInput({ line: lines, owner: 'x', onEdge, onLost }))).code, 'no-such-line');
    assert.is((await failure(chip.openOutput({ line: 'no such name', owner: 'x', onLost }))).code, 'no-such-line');
  });

  test('settings that make no sense are refused', async ({ chip }) => {
    const base = { line: 17, owner: 'x', onEdge, onLost };
    for (const wrong of [{ edges: 'sideways' }, { debounceMs: -1 }, { debounceMs: Number.NaN }, { pull: 'hard' }]) {
      const error = await failure(chip.openInput({ ...base, ...wrong } as InputOptions));
      assert.is(error.code, 'invalid-settings', JSON.stringify(wrong));
    }
  });

  test('an input that goes away is lost once, free again, and can be opened anew', async ({
    chip,
    takeAway,
    bringBack,
  }) => {
    const lost: GpioError[] = [];
    const { input } = await watch(chip, { line: 17, onLost: (error) => lost.push(error) });
    await takeAway(17);
    await until(() => lost.length > 0);
    assert.is(lost.length, 1);
    assert.is(lost[0]!.code, 'lost');
    await input.close();
    await bringBack(17);
    const again = await watch(chip, { line: 17 });
    await again.input.close();
    assert.is(lost.length, 1);
  });

  test('an output that goes away is lost once, and writing then fails', async ({ chip, takeAway, bringBack }) => {
    const lost: GpioError[] = [];
    const output = await chip.openOutput({ line: 22, owner: 'relay', onLost: (error) => lost.push(error) });
    await takeAway(22);
    const error = await failure(output.write(1));
    assert.is(error.code, 'lost');
    assert.is(lost.length, 1);
    await output.close();
    await bringBack(22);
    await (await chip.openOutput({ line: 22, owner: 'relay', onLost })).close();
  });

  test('describes itself', async ({ chip }) => {
    const { uri, driver, explanation, problem } = await chip.describe();
    assert.is(uri, chip.uri);
    assert.ok(driver !== 'none' && explanation.length > 0);
    assert.is(problem, undefined);
  });
}

const onEdge = () => undefined;
const onLost = () => undefined;

/** Opens an input and notes its events. */
export async function watch(chip: GpioChip, options: Partial<InputOptions> & { line: number | string }) {
  const events: LineEvent[] = [];
  const onEdge = (event: LineEvent) => events.push(event);
  const input = await chip.openInput({ owner: 'test', onEdge, onLost, ...options });
  return { input, events };
}

/** What a promise fails with. */
export async function failure(promise: Promise<unknown>): Promise<GpioError> {
  try {
    await promise;
  } catch (error) {
    return error as GpioError;
  }
  throw new Error('it did not fail');
}
