/** Simulated machines that talk to the centre's RabbitMQ themselves, as in the seed. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Central } from '../../src/central.ts';
import { startCentral } from '../central/support.ts';
import { type Rabbit, startRabbit } from '../support/rabbitmq.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { until } from '../support/until.ts';
import { createSite, finish } from './support.ts';

const test = suite('machines at RabbitMQ');
let rabbit: Rabbit;
let central: Central;

test.before(async () => {
  rabbit = await startRabbit();
  central = await startCentral({
    HOLDFAST_CENTRAL_BROKER: rabbit.url,
    HOLDFAST_CENTRAL_EMBEDDED: temporaryFolder().path,
  });
});
test.after(async () => {
  await central.stop();
  await rabbit.remove();
});

const url = () => `amqp://127.0.0.1:${rabbit.port}`;
const login = { username: 'guest', password: 'guest' };

test('every report is confirmed, stored and replied to', async () => {
  const { site, wrong } = createSite({ url: url(), ...login, count: 200 });
  site.start();
  await finish(site);
  const { sent, acknowledged, replied, repeated } = site.figures;
  assert.equal([sent, acknowledged, replied, repeated, wrong], [200, 200, 200, 0, []]);
  assert.is(central.counters.stored, 200);
});

test('a connection that RabbitMQ closes is replaced, and no report is stored twice', async () => {
  const before = central.counters.stored;
  const { site, wrong } = createSite({ url: url(), ...login, serialPrefix: 'b-', replyTimeoutMs: 1000 });
  site.start();
  await until(() => site.figures.replied > 30, 'the machines report');
  await rabbit.ctl('close_all_connections', 'test');
  await until(() => site.figures.connectionsLost >= 3, 'the machines notice');
  const answered = site.figures.replied;
  await until(() => site.figures.replied > answered + 30, 'the machines go on');
  await site.stop(5000);
  const { sent, replied, unanswered } = site.figures;
  assert.equal([replied, unanswered, wrong], [sent, 0, []]);
  assert.is(central.counters.stored - before, sent);
});

test.run();
