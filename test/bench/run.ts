/**
 * Runs the benchmarks one after the other, each in a process of its own, and writes their results to standard output as
 * a table in Markdown; what they say meanwhile goes to standard error. `npm run bench` is this file.
 *
 *     bin/node test/bench/run.ts [names …] [--quick] [--rounds N]
 *
 * `--quick` shows in a few minutes that all of them work; its figures mean nothing. Exit code 1 when a benchmark failed
 * or, without `--quick`, a target was missed; 2 for a name that there is not.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { type Figure, type Result, round, targetText } from './support/bench.ts';
import { describeMachine, unrest } from './support/machine.ts';

const all = [
  'spool-append',
  'spool-steady',
  'spool-drain',
  'mqtt-edge',
  'authorization',
  'uplink-drain',
  'uplink-steady',
  'uplink-stored',
  'idle-memory',
  'memory-start',
  'flow-engine',
  'queries',
  'document-store',
];

const { values, positionals } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, rounds: { type: 'string' } },
  allowPositionals: true,
});
const strangers = positionals.filter((name) => !all.includes(name));
if (strangers.length > 0) {
  console.error(`there is no benchmark ${strangers.join(', ')}; there are: ${all.join(', ')}`);
  process.exit(2);
}
const words = [
  ...(values.quick ? ['--quick'] : []),
  ...(values.rounds === undefined ? [] : ['--rounds', values.rounds]),
];

const disturbed = unrest();
if (disturbed !== undefined) console.error(`warning: ${disturbed}; figures of a busy computer are worth nothing`);
const results: Result[] = [];
const failed: string[] = [];
for (const name of positionals.length > 0 ? positionals : all) {
  const result = await runOne(name);
  if (result === undefined) failed.push(name);
  else results.push(result);
}
writeTable();
const missed = results.flatMap(({ figures }) => figures.filter(({ pass }) => pass === false));
process.exit(failed.length > 0 || (missed.length > 0 && !values.quick) ? 1 : 0);

/** Undefined when it failed, which it has said itself. */
function runOne(name: string): Promise<Result | undefined> {
  const script = new URL(`${name}.ts`, import.meta.url).pathname;
  const child = spawn(process.execPath, [script, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  // A benchmark ends what it started when it is told to end; it shall be told.
  const pass = (signal: NodeJS.Signals) => {
    child.kill(signal);
    child.once('exit', () => process.exit(130));
  };
  process.on('SIGINT', pass).on('SIGTERM', pass);
  let last = '';
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (last !== '') console.error(last);
    last = line;
  });
  return new Promise((resolve) => {
    child.once('close', (code) => {
      process.off('SIGINT', pass).off('SIGTERM', pass);
      if (code === 0) return resolve(JSON.parse(last) as Result);
      console.error(`${last}\n${name} failed (${code})`);
      resolve(undefined);
    });
  });
}

function writeTable(): void {
  const day = new Date().toISOString().slice(0, 10);
  console.log(`Measured on ${day}: ${describeMachine()}.${disturbed === undefined ? '' : ` (${disturbed}.)`}`);
  if (values.quick) console.log('\nTiny sizes (`--quick`): these figures mean nothing.');
  console.log('\n| benchmark | measured | Holdfast | beside it | ratio | target | |');
  console.log('| --- | --- | ---: | --- | ---: | ---: | --- |');
  for (const { benchmark, figures } of results) {
    for (const figure of figures) console.log(`| \`${benchmark}\` | ${row(figure)} |`);
  }
  for (const name of failed) console.log(`| \`${name}\` | | | | | | **failed** |`);
  const notes = results.flatMap(({ benchmark, notes: texts }) => texts.map((text) => `- \`${benchmark}\`: ${text}`));
  if (notes.length > 0) console.log(`\n${notes.join('\n')}`);
}

function row({ name, unit, ours, beside, theirs, ratio, target, pass }: Figure): string {
  const withUnit = (value: number) => `${round(value)} ${unit}`.trim();
  const verdict = pass === undefined ? '' : pass ? 'met' : '**missed**';
  return [
    name,
    withUnit(ours),
    beside === undefined ? '' : `${beside}: ${withUnit(theirs!)}`,
    ratio === undefined ? '' : round(ratio),
    targetText(target),
    verdict,
  ].join(' | ');
}
