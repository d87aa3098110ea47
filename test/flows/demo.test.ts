/** The demo's flow in the demo: its label printer's reports reach the documents, and its button switches its relay. */

import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { demoPorts, killDemos, RunningDemo } from '../demo/support.ts';
import { freePort, temporaryFolder } from '../support/temporary.ts';
import { until } from '../support/until.ts';
import { askDevice } from './support.ts';

const test = suite("the demo's flow");
test.after(killDemos);

test('runs, reports, takes a line of the simulated port, and the button switches the relay', async () => {
  const folder = temporaryFolder('holdfast-demo-flow-');
  const ports: Record<string, string> = {
    ...(await demoPorts()),
    HOLDFAST_FLOWS_EDITOR_PORT: String(await freePort()),
  };
  const demo = new RunningDemo(folder.path, ['--speed', '600'], ports);
  const box = join(folder.path, 'gateway');
  const gateway = `http://127.0.0.1:${ports.HOLDFAST_HTTP_PORT}`;
  const centre = `http://127.0.0.1:${ports.HOLDFAST_CENTRAL_HTTP_PORT}`;
  await demo.until(({ isUp, granted }) => isUp && granted >= 3, 'each printer may print');
  const flows = async () => {
    const { flows } = (await (await fetch(`${gateway}/healthz`)).json()) as {
      flows: { state: string; restarts: number };
    };
    return flows;
  };
  await until(async () => (await flows()).state === 'running', 'the flow runs');

  // The line for a shell that the demo prints logs in with the account of this run.
  const login = /\/login\/\?[^']*/.exec(demo.lines.find((line) => line.includes('/login/?'))!)![0];
  const { token } = (await (await fetch(`${centre}${login}`)).json()) as { token: string };
  const reports = async (serial: string) => {
    const response = await fetch(`${centre}/deviceInfo/process/sn/?sn=${serial}&limit=10&token=${token}`);
    return (await response.text()).split(serial).length - 1;
  };
  await until(
    async () => (await reports('label-0001')) > 0,
    () => `label-0001 is known\n${demo.lines.join('\n')}`,
  );
  const label = { 序列号: 'label-0002', 机器型号: 'L20', 机器名称: '标签机', 地址: '演示', 设备状态: '开机' };
  const line = JSON.stringify({ ...label, 开机时间: '2026-01-01 00:00:00', 报文时间: '2026-01-01 00:00:00' });
  await askDevice(box, 'serial:label', 'send', `${line}\n`);
  await until(async () => (await reports('label-0002')) > 0, 'label-0002 is known');

  const relay = async () => /: ([01])/.exec(await askDevice(box, 'gpio:panel', 'state', '27'))?.[1];
  assert.is(await relay(), '0');
  await askDevice(box, 'gpio:panel', 'press', '17');
  await until(async () => (await relay()) === '1', 'the relay is on');
  await askDevice(box, 'gpio:panel', 'release', '17');
  await until(async () => (await relay()) === '0', 'the relay is off again');

  assert.is((await flows()).restarts, 0);
  demo.say('quit');
  assert.is(await demo.exit, 0, demo.lines.join('\n'));
  assert.ok(demo.lines.includes('Nothing was lost.'), demo.lines.join('\n'));
  folder.remove();
});

test.run();
