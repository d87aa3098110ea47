import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { verifyPassword } from '../../src/accounts/index.ts';
import type { Command } from '../../src/command/command.ts';
import { runCommandLine } from '../../src/command/index.ts';
import { HoldfastError } from '../../src/errors.ts';

const launcher = fileURLToPath(new URL('../../bin/holdfast', import.meta.url));

async function run(words: string[], commands?: Record<string, () => Promise<{ command: Command }>>) {
  const out: string[] = [];
  const err: string[] = [];
  const terminal = {
    words,
    environment: {},
    print: (line: string) => void out.push(line),
    printError: (line: string) => void err.push(line),
    input: process.stdin,
  };
  const code = commands ? await runCommandLine(terminal, commands) : await runCommandLine(terminal);
  return { code, out: out.join('\n'), err: err.join('\n') };
}

function commandOf(work: Command['run']): Record<string, () => Promise<{ command: Command }>> {
  const count = { type: 'string', value: 'N', description: 'how many' } as const;
  const fast = { type: 'boolean', short: 'f', description: 'hurry' } as const;
  const command = { summary: 'Tries', usage: '[words]', options: { count, fast }, run: work } satisfies Command;
  return { try: async () => ({ command }) };
}

const test = suite('command line');

test('--help lists every command, --version names the version', async () => {
  const help = await run(['--help']);
  assert.is(help.code, 0);
  assert.match(help.out, /check-config {2}/);
  const version = await run(['--version']);
  assert.match(version.out, /^\d+\.\d+\.\d+/);
});

test('no command, an unknown one and an unknown option are exit code 2 with a sentence', async () => {
  assert.is((await run([])).code, 2);
  const command = await run(['chek-config']);
  assert.equal(
    [command.code, command.err],
    [2, 'holdfast: there is no command chek-config; did you mean check-config?'],
  );
  const option = await run(['check-config', '--confg', 'x']);
  assert.equal([option.code, option.err], [2, 'holdfast: there is no option --confg; did you mean --config?']);
  assert.is((await run(['check-config', '--config'])).err, 'holdfast: --config needs a value: FILE');
  assert.is((await run(['check-config', '--help=x'])).err, 'holdfast: --help takes no value');
  assert.is((await run(['constructor'])).code, 2);
});

test('a command gets its words, options and folders', async () => {
  const commands = commandOf(async (context) => {
    assert.equal(context.words, ['a', 'b']);
    assert.is(context.numberOption('count', { least: 1, most: 9 }), 3);
    assert.ok(context.flag('fast'));
    assert.is(context.dataFolder, '/d');
    assert.is(context.configFile, undefined);
    return 7;
  });
  assert.equal(await run(['try', 'a', '--count', '3', '-f', 'b', '--data=/d'], commands), {
    code: 7,
    out: '',
    err: '',
  });
});

test('--help of a command names its options', async () => {
  const { out } = await run(
    ['try', '--help'],
    commandOf(async () => 1),
  );
  assert.match(out, /Usage: holdfast try \[words\]/);
  assert.match(out, /--count N +how many/);
});

test('errors become one line and an exit code', async () => {
  const failing = (error: unknown) => commandOf(() => Promise.reject(error));
  const link = new HoldfastError('gateway-unreachable', 'no answer', new Error('ECONNREFUSED'));
  assert.equal(await run(['try'], failing(link)), { code: 1, out: '', err: 'holdfast: no answer (ECONNREFUSED)' });
  const config = await run(['try'], failing(new HoldfastError('configuration-invalid', 'a\nb')));
  assert.equal([config.code, config.err], [2, 'holdfast: a\nholdfast: b']);
  const strange = await run(['try'], failing(new TypeError('oops')));
  assert.is(strange.code, 1);
  assert.match(strange.err, /^holdfast: TypeError: oops\n +at /);
  const range = commandOf(async (context) => context.numberOption('count', { least: 1, most: 9 }) ?? 0);
  assert.is((await run(['try', '--count', '10'], range)).err, 'holdfast: --count: "10" is no whole number from 1 to 9');
});

test('check-config names every mistake', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'cli-')), 'h.yaml');
  writeFileSync(file, 'http: { port: 0 }\nmqtt: { prot: 1 }\n');
  const bad = await run(['check-config', '--config', file]);
  assert.is(bad.code, 2);
  assert.match(bad.err, /h\.yaml:1: http\.port: .*\n.*h\.yaml:2: mqtt\.prot: .*did you mean port\?/);
  writeFileSync(file, 'http: { port: 81 }\n');
  const good = await run(['check-config', '--config', file]);
  assert.is(good.code, 0);
  assert.match(good.out, /h\.yaml is valid \(1 warning\)/);
});

test('user hash reads the password from standard input and prints its hash', async () => {
  const { stdout, status } = spawnSync(launcher, ['user', 'hash'], { input: 'geheim\nmore\n', encoding: 'utf8' });
  assert.is(status, 0);
  assert.ok(await verifyPassword('geheim', stdout.trim()));
  const empty = spawnSync(launcher, ['user', 'hash'], { input: '', encoding: 'utf8' });
  assert.equal([empty.status, empty.stderr], [2, 'holdfast: there was no password\n']);
  assert.is((await run(['user', 'hash', 'word'])).code, 2);
});

test('the launcher is replaced by the program, so that signals reach it', async () => {
  const child = spawn(launcher, ['user', 'hash'], { stdio: ['pipe', 'ignore', 'ignore'] });
  const exit = once(child, 'exit');
  await new Promise((resolve) => setTimeout(resolve, 300));
  child.kill('SIGTERM');
  assert.equal(await exit, [null, 'SIGTERM']);
});

test.run();
