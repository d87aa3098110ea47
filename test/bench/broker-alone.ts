/**
 * The broker with validation and replies and an intake that stores nothing, on `--port` (default 18830): what the
 * protocol alone can do. Load it with `mqtt-load.ts --port 18830 --replies`; ends with its standard input.
 */
import { parseArgs } from 'node:util';
import { Access, Broker, defaultBrokerLimits } from '../../src/broker/index.ts';
import type { Delivery, IntakeAnswer } from '../../src/intake/types.ts';
import { createCounters } from '../../src/metrics.ts';
import { SiteTime, silentLogger, systemClock } from '../../src/platform/index.ts';
import { createChannels, ReplyWriter, replyTopic, validateReport } from '../../src/protocols/machines/index.ts';

const { values } = parseArgs({ options: { port: { type: 'string', default: '18830' } } });
const clock = systemClock();
const counters = createCounters();
const channels = createChannels();
const machines = new Set([...channels.values()].filter(({ owner }) => owner === 'machine').map(({ name }) => name));
const replies = new ReplyWriter();
const siteTime = new SiteTime('Asia/Shanghai');
let sequence = 0;
let malformed = 0;

let waiting: (() => void)[] = [];
/** Resolves a turn later, together with all others, as after a shared sync. */
function stored(): Promise<void> {
  return new Promise((resolve) => {
    if (waiting.length === 0) {
      setImmediate(() => {
        const ready = waiting;
        waiting = [];
        for (const done of ready) done();
      });
    }
    waiting.push(resolve);
  });
}

async function accept({ channel: name, payload }: Delivery): Promise<IntakeAnswer> {
  const channel = channels.get(name)!;
  const result = validateReport(channel, payload);
  const { serial, state } = result;
  const text = result.ok ? undefined : 'malformed';
  if (!result.ok) malformed++;
  await stored();
  const body = replies.report({ channel, serial, state, text, time: siteTime.format(clock.wallMs()) });
  return { outcome: 'stored', reply: { topic: replyTopic(name, serial), body }, sequence: ++sequence };
}

const broker = new Broker({
  listen: { host: '127.0.0.1', plain: Number(values.port), tls: undefined },
  access: new Access({ clients: [], anonymous: true, clock }),
  intake: { hasChannel: (name) => machines.has(name), accept },
  channels: [...machines],
  mayBePlain: () => true,
  limits: { ...defaultBrokerLimits, ratePerSecond: 0 },
  counters,
  clock,
  logger: silentLogger,
});
await broker.start();
console.log(JSON.stringify(broker.ports));
process.stdin.resume();
process.stdin.on('end', async () => {
  await broker.stop();
  console.log(JSON.stringify({ publishes: counters.mqttPublishes, malformed, dropped: counters.mqttMessagesDropped }));
});
