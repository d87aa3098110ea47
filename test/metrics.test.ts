import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { counterTable, createCounters, gaugeTable, labelledTable, Metrics } from '../src/metrics.ts';

const test = suite('metrics');

test('docs/operations.md lists every figure', () => {
  const text = readFileSync(join(import.meta.dirname, '../docs/operations.md'), 'utf8');
  const documented = [...text.matchAll(/^\| `(holdfast_[^`]+)` \| (.+) \|$/gm)].map(
    ([, name, help]) => `${name} ${help}`,
  );
  const declared = [
    ...Object.values(counterTable).map(([name, help]) => `${name} ${help}`),
    ...Object.values(labelledTable).map(([name, label, help]) => `${name}{${label}} ${help}`),
    ...Object.values(gaugeTable).map(([name, label, help]) => `${name}${label ? `{${label}}` : ''} ${help}`),
  ];
  assert.equal(documented, declared);
});

test('what is counted stands in the text that Prometheus reads', async () => {
  const counters = createCounters();
  counters.reportsRepeated = 3;
  counters.reportsRefused.set('not-json', 2);
  const metrics = new Metrics({ counters, gauges: { uplinkConnected: () => 1 } });
  const text = await metrics.text();
  assert.match(text, /^holdfast_reports_repeated_total 3$/m);
  assert.match(text, /^holdfast_reports_refused_total\{reason="not-json"\} 2$/m);
  assert.match(text, /^holdfast_uplink_connected 1$/m);
});

test.run();
