import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { acknowledge, connectPacket, publishPacket, RawClient } from '../support/mqtt-raw.ts';
import { pause, until } from '../support/until.ts';
import { process, startBroker, stopAll } from './harness.ts';

const test = suite('QoS 2 over several connections of a session');
test.after.each(stopAll);

const [connack, puback, pubrec, pubcomp] = [2, 4, 5, 7];
const body = (n: number) =>
  JSON.stringify({
    序列号: 'sn000001',
    设备状态: '打印',
    n,
    报文时间: '2024-03-18 15:30:45',
    机器型号: 'P440',
    机器名称: '一',
    地址: '重庆',
  });

type Started = Awaited<ReturnType<typeof startBroker>>;

async function connect(port: number): Promise<RawClient> {
  const client = new RawClient(port);
  client.write(connectPacket({ id: 'printer', clean: false }));
  const { body: answer } = await client.next(connack);
  assert.equal([...answer], [0, 0], 'no session present, accepted');
  return client;
}

/** A machine connects, sends a report with id 1 and is gone before it has sent PUBREL; resolves with its next connection. */
async function afterPubrec(): Promise<{ intake: Started['intake']; second: RawClient }> {
  const { broker, intake, port } = await startBroker();
  const first = await connect(port);
  first.write(publishPacket(process, body(1), { qos: 2, id: 1 }));
  await first.next(pubrec);
  first.socket.destroy();
  await until(() => broker.connectedCount === 0);
  return { intake, second: await connect(port) };
}

test('a machine that has lost power and counts from 1 again: its new report is no repeat of the old one', async () => {
  const { intake, second } = await afterPubrec();
  second.write(publishPacket(process, body(2), { qos: 2, id: 1 }));
  await second.next(pubrec);
  // On the same connection it is a repeat, whether it says so or not.
  second.write(publishPacket(process, body(2), { qos: 2, id: 1 }));
  await second.next(pubrec);
  second.write(acknowledge(0x62, 1));
  await second.next(pubcomp);
  assert.is(intake.accepted.length, 2);
});

test('one that goes on where it was, and says so, has its report stored once', async () => {
  const { intake, second } = await afterPubrec();
  second.write(publishPacket(process, body(1), { qos: 2, id: 1, dup: true }));
  await second.next(pubrec);
  second.write(acknowledge(0x62, 1));
  await second.next(pubcomp);
  assert.is(intake.accepted.length, 1);
});

test('one that connects again and again while the disk is slow: stop() waits for its next report', async () => {
  const { broker, intake, port } = await startBroker({ limits: { stopTimeoutMs: 3000 } });
  intake.mode = 'hold';
  let last!: RawClient;
  for (let n = 0; n < 4; n++) {
    last = await connect(port);
    last.write(publishPacket(process, body(1), { qos: 2, id: 7, dup: n > 0 }));
    await pause(20);
  }
  await until(() => intake.heldCount === 1);
  intake.release();
  await last.next(pubrec);
  last.write(acknowledge(0x62, 7));
  await last.next(pubcomp);
  last.write(publishPacket(process, body(2), { id: 8 }));
  await until(() => intake.heldCount === 1);
  const acknowledged = last.next(puback);
  const stopping = broker.stop();
  setTimeout(() => intake.release(), 200);
  await acknowledged;
  await stopping;
});

test.run();
