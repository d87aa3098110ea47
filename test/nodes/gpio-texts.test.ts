/** Catalogues, dialogs, help and examples of the GPIO nodes fit together. */
import { readFileSync } from 'node:fs';
import { gpioErrors } from '@holdfast/hardware/gpio';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('texts of the gpio nodes');
const nodes = new URL('../../nodes/', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, nodes), 'utf8');

for (const name of ['gpio-in', 'gpio-out']) {
  const catalogues = ['en-US', 'zh-CN'].map((lang) => flat(JSON.parse(read(`${name}/locales/${lang}/${name}.json`))));
  const [english, chinese] = catalogues as [Map<string, string>, Map<string, string>];

  test(`${name}: both languages have the same keys and placeholders`, () => {
    assert.equal([...chinese.keys()], [...english.keys()]);
    const places = (text: string) => [...text.matchAll(/__\w+__/g)].map(([place]) => place).sort();
    for (const [key, text] of english) assert.equal(places(chinese.get(key)!), places(text), key);
  });

  test(`${name}: what the dialog names is in the catalogue`, () => {
    const html = read(`${name}/${name}.html`);
    const used = [...html.matchAll(/data-i18n="(?:\[\w+\])?([^"]+)"/g), ...html.matchAll(/_\('([^']+)'\)/g)]
      .map(([, key]) => key!)
      .filter((key) => !key.startsWith('node-red:'));
    assert.ok(used.length > 10);
    for (const key of used) assert.ok(english.has(key), key);
  });

  test(`${name}: each code has a status`, () => {
    for (const code of [...Object.keys(gpioErrors), 'bad-settings', 'failed']) {
      assert.ok(english.has(`${name}.status.${code}`), code);
    }
  });

  test(`${name}: help in both languages`, () => {
    for (const lang of ['en-US', 'zh-CN']) {
      assert.match(read(`${name}/locales/${lang}/${name}.html`), `data-help-name="holdfast-${name}"`);
    }
  });
}

test('the example can be imported', () => {
  const flow = JSON.parse(read('examples/30 - gpio button and relay.json')) as {
    id: string;
    type: string;
    wires?: string[][];
  }[];
  const ids = flow.map(({ id }) => id);
  assert.is(new Set(ids).size, ids.length);
  for (const { wires = [] } of flow) for (const target of wires.flat()) assert.ok(ids.includes(target), target);
  assert.ok(flow.some(({ type }) => type === 'comment'));
});

test.run();

function flat(value: object, prefix = ''): Map<string, string> {
  return new Map(
    Object.entries(value).flatMap(([key, inner]) =>
      typeof inner === 'string' ? [[`${prefix}${key}`, inner] as const] : [...flat(inner, `${prefix}${key}.`)],
    ),
  );
}
