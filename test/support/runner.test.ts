import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { discover } from './runner/discover.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

function run(...args: string[]) {
  return runWith({}, ...args);
}

function runWith(environment: Record<string, string>, ...args: string[]) {
  const { status, stdout } = spawnSync(process.execPath, ['test/run.ts', ...args], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, FORCE_COLOR: '0', ...environment },
  });
  return { status, stdout, last: stdout.trimEnd().split('\n').at(-1) };
}

const fixture = (name: string) => `test/support/runner/fixtures/${name}.ts`;

const test = suite('runner');

test('passes on passing tests and counts the skipped', () => {
  const { status, last } = run(fixture('passing'));
  assert.is(status, 0);
  assert.is(last, '2 passed, 0 failed, 1 skipped');
});

test('with --stutter what it runs is stopped and goes on, again and again', () => {
  const { last, stdout } = run('--stutter', fixture('is-stopped'));
  assert.is(last, '1 passed, 0 failed', stdout);
});

/** Each trap with the closing line and what the output must name. */
const traps: [name: string, last: string, said: RegExp][] = [
  ['failing', '1 passed, 1 failed', /is wrong/],
  ['zero-tests', '0 passed, 1 failed', /no test in this file/],
  ['no-run', '1 passed, 1 failed', /second wait for a \.run\(\)/],
  ['throwing-before', '0 passed, 2 failed', /before threw: Error: the hook broke/],
  ['throwing-after', '2 passed, 1 failed', /after threw: Error: the hook broke/],
  ['throwing-before-each', '0 passed, 2 failed', /the hook broke/],
  ['throwing-after-each', '2 passed, 2 failed', /after\.each threw: Error: the hook broke/],
  ['deadline', '0 passed, 1 failed', /not done after 1 s, in: never ends/],
  ['busy', '0 passed, 1 failed', /not done after 1 s, in: spins/],
  ['exits-early', '0 passed, 1 failed', /exit code 0\) before its tests were done, in: leaves/],
  ['stalls', '0 passed, 1 failed', /before its tests were done/],
  ['exits-non-zero', '1 passed, 1 failed', /ended with exit code 3/],
  ['leaked-timer', '1 passed, 1 failed', /does not end after its last test; left open: .*Timeout/],
  ['throws-on-load', '0 passed, 1 failed', /the file broke/],
  ['late-rejection', '1 passed, 1 failed', /too late/],
];

for (const [name, expected, said] of traps) {
  test(`fails on ${name}`, () => {
    const { status, stdout, last } = run(fixture(name));
    assert.is(last, expected, stdout);
    assert.is(status, 1);
    assert.match(stdout, said);
  });
}

test('ends processes that a file left behind', () => {
  const pidFile = join(mkdtempSync(join(tmpdir(), 'runner-')), 'pid');
  const { last } = runWith({ HOLDFAST_TEST_PID_FILE: pidFile }, fixture('leaked-child'));
  assert.is(last, '1 passed, 0 failed');
  const stat = () => {
    try {
      return readFileSync(`/proc/${readFileSync(pidFile, 'utf8')}/stat`, 'utf8').split(') ')[1]![0]!;
    } catch {
      return 'gone';
    }
  };
  // Z: killed, and not yet collected by the process that inherited it.
  assert.ok(['gone', 'Z'].includes(stat()), stat());
});

test('fails on a pattern that matches nothing, and still runs what the others match', () => {
  const { status, stdout, last } = run('no-such-file', fixture('passing'));
  assert.is(status, 1);
  assert.match(stdout, /no test file's path contains "no-such-file"/);
  assert.is(last, '2 passed, 1 failed, 1 skipped');
});

test('begins with the files of a longer deadline, then with the slow ones', () => {
  const folder = mkdtempSync(join(tmpdir(), 'runner-'));
  const heads = { a: '', b: '// slow', c: '// deadline: 300s', d: '// deadline: 1s', e: '' };
  for (const [name, head] of Object.entries(heads)) writeFileSync(join(folder, `${name}.ts`), `${head}\n`);
  const patterns = Object.keys(heads).map((name) => join(folder, `${name}.ts`));
  const { files } = discover({ root, long: false, patterns });
  assert.equal(
    files.map(({ name }) => basename(name, '.ts')),
    ['c', 'b', 'a', 'e', 'd'],
  );
});

test.run();
