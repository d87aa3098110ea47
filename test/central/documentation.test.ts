import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  centralCounterTable,
  centralGaugeTable,
  centralIndexes,
  centralLabelledTable,
} from '../../src/central/index.ts';
import { builtInChannels } from '../../src/protocols/machines/index.ts';

const lines = readFileSync(join(import.meta.dirname, '../../docs/central.md'), 'utf8').split('\n');
const rows = rowsOf(lines);

function rowsOf(part: readonly string[]): string[][] {
  return part
    .filter((line) => line.startsWith('| '))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

const test = suite('docs/central.md');

test('lists the indexes that are made', () => {
  const begin = lines.indexOf('## Indexes');
  const end = lines.findIndex((line, index) => index > begin && line.startsWith('## '));
  const listed = rowsOf(lines.slice(begin, end)).slice(2);
  const made = centralIndexes.map(({ database, collection, name, keys }) => [
    `${database}.${collection}`,
    name,
    keys.map(([field, direction]) => (direction === 1 ? field : `${field} desc`)).join(', '),
  ]);
  assert.equal(listed, made);
});

test('lists the figures that are counted', () => {
  const listed = rows.filter(([name]) => name?.startsWith('`holdfast_central_'));
  const counted = [...Object.values(centralCounterTable), ...Object.values(centralGaugeTable)];
  assert.equal(listed, [
    ...counted.map(([name, help]) => [`\`${name}\``, help]),
    ...Object.values(centralLabelledTable).map(([name, label, help]) => [`\`${name}{${label}}\``, help]),
  ]);
});

test('names every queue that is read', () => {
  const text = lines.join('\n');
  for (const { name } of builtInChannels) assert.ok(text.includes(`\`${name}\``), name);
});

test.run();
