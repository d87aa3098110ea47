/** `holdfast simulate` on the command line. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Gateway } from '../../src/gateway.ts';
import { GatewayPlace } from './support.ts';

const test = suite('holdfast simulate');
const launcher = fileURLToPath(new URL('../../bin/holdfast', import.meta.url));
let place: GatewayPlace;
let gateway: Gateway;

test.before(async () => {
  place = await GatewayPlace.find();
  gateway = place.gateway();
  await gateway.start();
});
test.after(() => gateway.stop());

async function simulate(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const child = spawn(launcher, ['simulate', ...words], { env: { ...process.env, SIMULATE_PASSWORD: 'secret' } });
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: code as number, out, err };
}

test('ends after a count, with totals and exit code 0', async () => {
  const url = `mqtt://127.0.0.1:${place.mqttPort}`;
  const words = ['--url', url, '--user', 'site', '--speed', '0', '--count', '100', '--seconds', '20', '--seed', '4'];
  const { code, out, err } = await simulate(...words, '--json', '--quiet');
  assert.is(code, 0, err);
  const { total, sent, acknowledged, replied, repeated, wrong, unanswered } = JSON.parse(out);
  assert.equal([total, sent, acknowledged, replied, repeated, wrong, unanswered], [true, 100, 100, 100, 0, 0, 0]);
  assert.is(gateway.spool.status.accepted, 100);
  assert.is(err, 'seed 4\n');
});

test('a gateway that takes nothing is exit code 1, and the reason is told once', async () => {
  const url = `http://site:wrong@127.0.0.1:${place.httpPort}`;
  const { code, out, err } = await simulate('--url', url, '--speed', '0', '--seconds', '2');
  assert.is(code, 1);
  assert.match(out, /^total .*sent 3 {2}acknowledged 0 {2}replied 0.*unanswered 3$/m);
  assert.is(err.match(/connection: the gateway answered 401/g)?.length, 1);
  assert.match(err, /not one report was answered/);
});

test('what makes no sense is exit code 2', async () => {
  for (const words of [['--url', 'ftp://x'], ['--machines', '0'], ['--speed', '-1'], ['word']]) {
    assert.is((await simulate(...words)).code, 2, words.join(' '));
  }
});

test.run();
