/** A flow that reads all that machines send and never takes a byte costs the box no more than its bounds. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { publishPacket, RawClient, readPublish } from '../support/mqtt-raw.ts';
import { until } from '../support/until.ts';
import { FlowClient, LocalSite, processReport } from './support.ts';

const test = suite('local door, bounds');
const site = new LocalSite({ HOLDFAST_MQTT_RATE_PER_CLIENT: '0', HOLDFAST_SPOOL_FREE_RESERVE: '0B' });
test.before(() => site.start());
test.after(() => site.stop());

const maxBytes = 8_388_608;

test('what is kept for it is bounded, the newest stays, and others go on', async () => {
  const login = { username: 'all', password: 'secret', id: 'deaf', clean: false };
  const deaf = await RawClient.open(site.mqttPort, login);
  assert.is(await deaf.subscribe('holdfast/local/message/#'), 1);
  assert.is(await deaf.subscribe('holdfast/local/all/#'), 1);
  deaf.socket.pause();
  const machine = await FlowClient.connect(site.mqttPort, 'machine');
  const count = 300;
  const text = 'x'.repeat(64_000);
  for (let index = 0; index < count; index++) {
    const { channel, body } = processReport('SN-B', { 设备状态: '开始打印', 编号: index, 附加: text });
    await machine.mqtt.publishAsync(channel, JSON.stringify(body), { qos: 1 });
  }
  // It still reports itself, and others are answered.
  const last = JSON.stringify(processReport('SN-B', { 设备状态: '开始打印' }));
  deaf.write(publishPacket('holdfast/local/all/report/last', last, { id: 5 }));
  await until(() => site.gateway.spool.status.accepted >= count);
  await deaf.close();
  await machine.end();
  const back = await RawClient.open(site.mqttPort, login);
  const kept = () => back.packets.filter(({ type }) => type === 3).map((each) => readPublish(each));
  const feed = () => kept().filter(({ topic }) => topic.includes('/message/'));
  const newest = () => JSON.parse(feed().at(-1)?.payload.toString() ?? '{}').编号;
  await until(() => newest() === count - 1);
  const bytes = kept().reduce((sum, { payload }) => sum + payload.length, 0);
  assert.ok(bytes <= maxBytes && bytes > maxBytes / 2, `${bytes} bytes were kept`);
  await back.close();
});

test.run();
