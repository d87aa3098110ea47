// slow
/** A link on which nothing arrives any more, without any word of it: only heartbeats tell. Takes up to 30 s by nature. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger, systemClock } from '../../src/platform/index.ts';
import { createAmqpTransport } from '../../src/uplink/amqp.ts';
import { startRabbit } from '../support/rabbitmq.ts';
import { exampleReport, RecordingListener } from '../support/recording-listener.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';

const test = suite('AMQP on a dead link');

test('it is noticed within 30 s, and the next connection delivers', async () => {
  const rabbit = await startRabbit();
  const proxy = await startTcpProxy({ port: rabbit.port });
  const listener = new RecordingListener();
  const transport = createAmqpTransport({
    url: `amqp://guest:guest@127.0.0.1:${proxy.port}`,
    tls: {},
    gatewayId: 'gw-1',
    replies: 'per-device',
    queueType: 'classic',
    channels: ['device_process_info'],
    logger: silentLogger,
    clock: systemClock(),
  });
  transport.start(listener);
  await listener.up();
  proxy.frozen = true;
  const begun = performance.now();
  transport.send(exampleReport(1));
  await until(() => listener.disconnects.length === 1, 'noticed', 35_000);
  assert.ok(performance.now() - begun < 31_000);
  assert.equal(listener.confirmed, []);
  proxy.frozen = false;
  await listener.up(2);
  transport.send(exampleReport(1));
  await until(() => listener.confirmed.length === 1, 'confirmed');
  await transport.stop();
  await proxy.stop();
  await rabbit.remove();
});

test.run();
