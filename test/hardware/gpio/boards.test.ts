import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { boardProfiles, detectBoard, gpioErrors } from '@holdfast/hardware/gpio';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryFolder } from '../../support/temporary.ts';
import { failure } from './contract.ts';
import { machines } from './fake-sysfs.ts';

const test = suite('board profiles');

for (const { name, pins, title, notes, chipLabels, models } of boardProfiles) {
  test(`${name} is complete`, () => {
    assert.ok(title !== '' && notes.length > 0);
    if (models.length > 0) assert.ok(chipLabels.length > 0);
    if (pins.length === 0) return;
    assert.equal(
      pins.map(({ pin }) => pin),
      Array.from({ length: 40 }, (_, index) => index + 1),
    );
    const lines = pins.filter(({ kind }) => kind === 'gpio').map(({ line }) => line!);
    assert.equal(
      lines.toSorted((a, b) => a - b),
      Array.from({ length: 28 }, (_, line) => line),
    );
    for (const { kind, name, line } of pins) {
      if (kind === 'gpio') assert.is(name, `GPIO${line}`);
      else assert.is(line, undefined);
    }
    assert.is(pins.filter(({ kind }) => kind === 'ground').length, 8);
    assert.is(pins.filter(({ kind }) => kind === 'power').length, 4);
  });
}

test('pins that everybody knows', () => {
  const { pins } = boardProfiles.find(({ name }) => name === 'raspberry-pi-4')!;
  for (const [pin, line] of [
    [3, 2],
    [8, 14],
    [11, 17],
    [12, 18],
    [13, 27],
    [15, 22],
    [40, 21],
  ]) {
    assert.is(pins[pin! - 1]!.line, line);
  }
});

test('names are there once', () => {
  const names = boardProfiles.map(({ name }) => name);
  assert.is(new Set(names).size, names.length);
  for (const name of ['raspberry-pi-3', 'raspberry-pi-4', 'raspberry-pi-5', 'raspberry-pi-zero-2', 'generic-x86']) {
    assert.ok(names.includes(name));
  }
});

test('each machine is recognised by its model', async () => {
  const modelFile = temporaryFolder().file('model');
  const models = (await machines()).map(({ model, board }) => [model, board]);
  for (const [model, board] of [
    ...models,
    ['Raspberry Pi 400 Rev 1.0', 'raspberry-pi-4'],
    ['Raspberry Pi Compute Module 5 Rev 1.0', 'raspberry-pi-5'],
    ['Raspberry Pi 2 Model B Rev 1.1', undefined],
    ['Some Other Board', undefined],
  ]) {
    writeFileSync(modelFile, `${model}\0`);
    assert.is((await detectBoard({ modelFile, arch: 'arm64' }))?.name, board, model);
  }
});

test('a PC is a PC, a named board is that one, a wrong name says which there are', async () => {
  const modelFile = '/nonexistent';
  assert.is((await detectBoard({ modelFile, arch: 'x64' }))?.name, 'generic-x86');
  assert.is(await detectBoard({ modelFile, arch: 'riscv64' }), undefined);
  assert.is((await detectBoard({ name: 'raspberry-pi-5' }))?.title, 'Raspberry Pi 5');
  const error = await failure(detectBoard({ name: 'raspberry' }));
  assert.is(error.code, 'invalid-settings');
  assert.match(error.message, 'raspberry-pi-5');
});

test('docs/gpio.md explains each code', () => {
  const text = readFileSync(join(import.meta.dirname, '../../../docs/gpio.md'), 'utf8');
  const section = text.slice(text.indexOf('## What can go wrong'));
  const explained = [...section.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, code]) => code);
  assert.equal(explained, Object.keys(gpioErrors));
});

test.run();
