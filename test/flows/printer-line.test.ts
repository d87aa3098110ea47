/**
 * The ready-made flow `printer-line`, whole: JSON lines over a pseudo terminal and over the line's own MQTT broker to
 * documents at the centre, and the print button to the relay. Changed in the copy are the settings of its tab, the output
 * of its debug nodes to the log, and how long it waits for an answer.
 */

import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Aedes } from 'aedes';
import { connectAsync, type MqttClient } from 'mqtt';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PtyDevice } from '../support/pty.ts';
import { runHoldfast } from '../support/site/program.ts';
import { freePort, temporaryFolder } from '../support/temporary.ts';
import { until } from '../support/until.ts';
import { changed, type Document, FlowSite, readyMade, withSettings } from './support.ts';

const serial = 'sn000001';
const printer = { 序列号: serial, 机器型号: 'P440', 机器名称: '重庆1号机', 地址: '中国重庆市沙坪坝25号' };
const time = { 报文时间: '2026-11-21 10:00:00' };
const button = '17';
const relay = '27';
const lamp = '22';

const folder = temporaryFolder('holdfast-line-');
const device = new PtyDevice(folder.file('usb-Maker_Printer_0042-if00'));
let site: FlowSite;
let jigs: LineBroker;
let jig: MqttClient;

const test = suite('the printer line');

test.before(async () => {
  await device.plug();
  jigs = await LineBroker.start();
  const settings = {
    SERIAL_PORT: device.uri,
    LINE_BROKER: '127.0.0.1',
    LINE_BROKER_PORT: String(jigs.port),
    GPIO_CHIP: 'sim:panel',
    PRINTER_SERIAL: serial,
  };
  let flow = withSettings(readyMade('printer-line'), settings);
  flow = changed(flow, ({ type }) => type === 'debug', { console: true });
  flow = changed(flow, ({ type }) => type === 'holdfast-authorize', { timeoutSeconds: 3 });
  site = new FlowSite();
  await site.start(flow);
  jig = await connectAsync(`mqtt://127.0.0.1:${jigs.port}`, { clientId: 'jig' });
  await until(() => jigs.hasReader, 'the flow listens to the line');
});

test.after(async () => {
  await jig?.endAsync(true);
  await site?.stop();
  await jigs?.stop();
  await device.unplug();
});

const send = (content: object) => device.send(`${JSON.stringify({ ...printer, ...time, ...content })}\n`);
const publish = (content: object | string) =>
  jig.publishAsync('line/7/report', typeof content === 'string' ? content : JSON.stringify(content), { qos: 1 });
const base = (n: number) => ({ 客户名称: '重庆达优', 控制卡硬件版本: `V${n}` });
const state = (n: number) => ({ 设备状态: '刮粉', 刮粉层数: String(n) });
const fault = (n: number) => ({ 异常等级: '故障', 异常描述: `电机运动超时${n}` });

/** Waits for so many documents and a little for one too many; their values of a key, sorted. */
async function stored(collection: string, count: number, key: string, of = serial): Promise<unknown[]> {
  let found: Document[] = [];
  await until(
    async () => {
      found = await site.documents(collection, of);
      return found.length >= count;
    },
    () => `${count} documents in ${collection}, there are ${found.length}\n${site.tail}`,
  );
  return found.map((document) => document[key]).sort();
}

const numbers = (count: number, name: (n: number) => string) => Array.from({ length: count }, (_, n) => name(n)).sort();

test('JSON lines over serial and MQTT are documents of the right channel once each; what is no report disturbs nothing', async () => {
  for (let n = 0; n < 10; n++) {
    send(base(n));
    send(state(n));
    send(fault(n));
    if (n === 4) device.send('PAPER OUT\n');
    if (n === 6) send({ 设备状态: 3 });
    await publish({ ...printer, 序列号: 'sn000002', ...time, ...state(n) });
    if (n === 5) await publish('{"序列号": ');
  }
  assert.equal(
    await stored('device_base', 10, '控制卡硬件版本'),
    numbers(10, (n) => `V${n}`),
  );
  assert.equal(await stored('device_process', 10, '刮粉层数'), numbers(10, String));
  assert.equal(
    await stored('device_error_info', 10, '异常描述'),
    numbers(10, (n) => `电机运动超时${n}`),
  );
  assert.equal(await stored('device_process', 10, '刮粉层数', 'sn000002'), numbers(10, String));
  await until(
    () => site.said('errors').length >= 3,
    () => `three errors were caught\n${site.said('errors')}`,
  );
  const errors = site.said('errors').join('\n');
  for (const said of [
    /'holdfast-serial-in'/,
    /code: 'not-json'/,
    /'mqtt in'/,
    /'holdfast-report'/,
    /code: 'malformed'/,
  ]) {
    assert.match(errors, said);
  }
  assert.is(site.said('errors').length, 3);
  assert.is((await site.flows()).restarts, 0);
});

test('unplugged in the middle of a line and plugged in again it goes on: nothing is lost or doubled', async () => {
  device.send(`${JSON.stringify({ ...printer, ...time, ...state(10) }).slice(0, 60)}`);
  await device.unplug();
  await publish({ ...printer, 序列号: 'sn000002', ...time, ...state(10) });
  await stored('device_process', 11, '刮粉层数', 'sn000002');
  await device.plug();
  // Nobody hears what a device says before its port is open again.
  let heard = 10;
  while ((await site.documents('device_base', serial)).length === 10) {
    send(base(heard++));
    await sleep(200);
  }
  for (let n = 10; n < 20; n++) send(state(n));
  assert.equal(await stored('device_process', 20, '刮粉层数'), numbers(20, String));
  assert.is(site.said('errors').length, 3, 'unplugging is no error of a message');
});

/** Presses and releases the button. */
async function press(): Promise<void> {
  await site.device('gpio:panel', 'press', button);
  await sleep(60);
  await site.device('gpio:panel', 'release', button);
}

const level = async (line: string) => Number(/: ([01])/.exec(await site.device('gpio:panel', 'state', line))?.[1]);

async function becomes(line: string, value: number, what: string): Promise<void> {
  await until(
    async () => (await level(line)) === value,
    () => `${what}\n${site.tail}`,
  );
}

const answers = () => site.metrics('holdfast_authorization_answers_total').then((lines) => lines.join('\n'));

test('granted by the centre: the relay, for two seconds', async () => {
  assert.ok(await site.central.authorizations.set(serial, 30, 'test'));
  await press();
  await becomes(relay, 1, 'the relay is on');
  assert.is(await level(lamp), 0);
  assert.match(await answers(), /centre/);
  assert.not.match(await answers(), /lease/);
  await becomes(relay, 0, 'the relay is off again');
});

test('granted by a lease while the uplink is cut; the button is that of `holdfast device`', async () => {
  await site.proxy.cut();
  await site.uplinkIs(false);
  await runHoldfast(['device', 'gpio:panel', 'press', button, '--data', site.dataFolder]);
  await becomes(relay, 1, 'the relay is on');
  assert.is(await level(lamp), 0);
  assert.match(await answers(), /lease/);
  await site.proxy.restore();
  await site.device('gpio:panel', 'release', button);
  await becomes(relay, 0, 'the relay is off again');
  await site.uplinkIs(true);
});

test('denied once it is revoked: the lamp, and why', async () => {
  await site.central.authorizations.set(serial, -60, 'test');
  await press();
  await becomes(lamp, 1, 'the lamp is on');
  assert.is(await level(relay), 0);
  await until(() => site.said('why not').length === 1, 'it is said why');
  await becomes(lamp, 0, 'the lamp is off again');
});

test('no answer: nothing is switched, and the error is caught', async () => {
  const before = site.said('errors').length;
  site.proxy.frozen = true;
  await press();
  await until(
    () => site.said('errors').length > before,
    () => `the error is caught\n${site.tail}`,
  );
  assert.match(site.said('errors').at(-1)!, /code: 'no-answer'/);
  // Each would be on for two seconds.
  assert.equal([await level(relay), await level(lamp)], [0, 0]);
  site.proxy.frozen = false;
});

/** The line's own MQTT broker, as jigs have one. */
class LineBroker {
  readonly port: number;
  /** Somebody has subscribed: what is published before is gone. */
  hasReader = false;
  readonly #broker: Aedes;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(broker: Aedes, port: number) {
    this.#broker = broker;
    broker.on('subscribe', () => {
      this.hasReader = true;
    });
    this.port = port;
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      broker.handle(socket);
    });
  }

  static async start(): Promise<LineBroker> {
    const line = new LineBroker(await Aedes.createBroker(), await freePort());
    await new Promise<void>((resolve) => line.#server.listen(line.port, '127.0.0.1', resolve));
    return line;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    await new Promise<void>((resolve) => this.#broker.close(resolve));
  }
}

test.run();
