/** Every node of the palette has what Node-RED looks for: dialog, help and catalogue, in English and in Chinese. */
import * as assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { suite } from 'uvu';

const test = suite('catalogues');
const root = join(import.meta.dirname, '../../nodes');
const languages = ['en-US', 'zh-CN'];
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const named: Record<string, string> = manifest['node-red'].nodes;
/** Node folders that have a dialog. */
const nodes = readdirSync(root).filter((name) => existsSync(join(root, name, `${name}.html`)));
const read = (...path: string[]) => readFileSync(join(root, ...path), 'utf8');

type Catalogue = { readonly [key: string]: string | Catalogue };
const catalogue = (name: string, language: string) =>
  JSON.parse(read(name, 'locales', language, `${name}.json`)) as Catalogue;

function flat(texts: Catalogue, prefix = ''): Map<string, string> {
  const all = new Map<string, string>();
  for (const [key, value] of Object.entries(texts)) {
    if (typeof value === 'string') all.set(prefix + key, value);
    else for (const [inner, text] of flat(value, `${prefix}${key}.`)) all.set(inner, text);
  }
  return all;
}

/** Keys that a dialog uses by name; `${…}` and the like are not followed. */
function usedIn(html: string): string[] {
  const attributes = [...html.matchAll(/data-i18n="([^"]+)"/g)].flatMap(([, value]) => value!.split(';'));
  const calls = [...html.matchAll(/\b_\(\s*'([^']+)'\s*[,)]/g)].map(([, key]) => key!);
  const choices = [...html.matchAll(/\b_\([^()]*\?\s*'([^']+)'\s*:\s*'([^']+)'/g)].flatMap(([, a, b]) => [a!, b!]);
  return [...attributes.map((key) => key.replace(/^\[[^\]]*\]/, '')), ...calls, ...choices];
}

test('the manifest names each node once, by the name of its folder', () => {
  assert.ok(nodes.length > 0);
  for (const name of nodes) assert.equal(named[`holdfast-${name}`], `dist/${name}/${name}.js`, name);
  for (const path of Object.values(named)) assert.equal(basename(path, '.js'), path.split('/')[1]);
});

test('script, dialog and type have the name of the folder', () => {
  for (const name of nodes) {
    assert.ok(existsSync(join(root, name, `${name}.ts`)), `${name}.ts`);
    const html = read(name, `${name}.html`);
    for (const part of [`registerType('holdfast-${name}'`, `data-template-name="holdfast-${name}"`]) {
      assert.ok(html.includes(part), `${name}.html lacks ${part}`);
    }
    assert.match(html, /\bversion: \{ value: \d+ \}/, `${name}.html has no version`);
  }
});

test('both languages have the same keys, none empty, with the same values to fill in', () => {
  for (const name of nodes) {
    const [english, chinese] = languages.map((language) => flat(catalogue(name, language)));
    assert.deepEqual([...chinese!.keys()].sort(), [...english!.keys()].sort(), name);
    for (const [key, text] of english!) {
      const other = chinese!.get(key)!;
      assert.ok(text !== '' && other !== '', `${name}: ${key}`);
      // Node-RED fills in __name__, not what i18next does otherwise.
      assert.ok(!text.includes('{{') && !other.includes('{{'), `${name}: ${key}`);
      const holes = (value: string) => [...value.matchAll(/__\w+?__/g)].map(String).sort();
      assert.deepEqual(holes(other), holes(text), `${name}: ${key}`);
    }
  }
});

test('every key that a dialog uses is there', () => {
  for (const name of nodes) {
    const keys = new Set(flat(catalogue(name, 'en-US')).keys());
    for (const key of usedIn(read(name, `${name}.html`))) {
      const [namespace, own] = key.includes(':') ? key.split(':') : [undefined, key];
      if (namespace === 'node-red') continue;
      const other = namespace?.replace('@holdfast/node-red/holdfast-', '');
      const known = other === undefined ? keys : new Set(flat(catalogue(other, 'en-US')).keys());
      assert.ok(known.has(own!), `${name}.html uses ${key}`);
    }
  }
});

test('every key that a controller uses is there', () => {
  for (const name of nodes) {
    const keys = new Set(flat(catalogue(name, 'en-US')).keys());
    const shared = new Set(flat(catalogue('gateway', 'en-US')).keys());
    const sources = readdirSync(join(root, name)).filter((file) => file.endsWith('.ts'));
    for (const file of sources) {
      const source = read(name, file);
      for (const [, key] of source.matchAll(/\bt\(\s*'([^']+)'/g)) assert.ok(keys.has(key!), `${name}/${file}: ${key}`);
      for (const [, key] of source.matchAll(/\bg\(\s*'([^']+)'/g))
        assert.ok(shared.has(key!), `${name}/${file}: ${key}`);
    }
  }
});

test('each node has help in both languages, with the same parts', () => {
  for (const name of nodes) {
    const [english, chinese] = languages.map((language) => {
      const text = read(name, 'locales', language, `${name}.html`);
      assert.ok(text.includes(`data-help-name="holdfast-${name}"`), `${name}, ${language}`);
      return [...text.matchAll(/<(h3|dt|ol|li|table|tr)\b/g)].map(([, tag]) => tag);
    });
    assert.deepEqual(chinese, english, `${name}: the help has other parts in Chinese`);
  }
});

test('the help in Chinese is in Chinese', () => {
  for (const name of nodes) assert.match(read(name, 'locales/zh-CN', `${name}.html`), /[\u4e00-\u9fff]{10}/, name);
});

const examples = existsSync(join(root, 'examples')) ? readdirSync(join(root, 'examples')) : [];

test('examples are flows of known nodes, explained by a comment', () => {
  assert.ok(examples.length > 0);
  for (const file of examples) {
    const flow = JSON.parse(read('examples', file)) as { id: string; type: string; z?: string; wires?: string[][] }[];
    const ids = new Set(flow.map(({ id }) => id));
    assert.equal(ids.size, flow.length, `${file}: an id is there twice`);
    assert.ok(
      flow.some(({ type }) => type === 'comment'),
      `${file} has no comment`,
    );
    for (const { type, wires = [] } of flow) {
      if (type.startsWith('holdfast-')) assert.ok(named[type], `${file}: ${type}`);
      for (const target of wires.flat()) assert.ok(ids.has(target), `${file}: ${target}`);
    }
    assert.ok(!read('examples', file).includes('"credentials"'), `${file} holds credentials`);
  }
});

test.run();
