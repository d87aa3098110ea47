/**
 * What the transport costs: 512-byte bodies published from memory with 512 under way, once by a bare loop over amqplib
 * and once through the transport, in turn, against one RabbitMQ; over TCP and over TLS. Prints the rates and the ratio
 * of the medians (1 = as fast as the bare loop).
 *
 *     bin/node test/bench/amqp-loop.ts [messages per run] [runs]
 */
import { readFileSync } from 'node:fs';
import amqp from 'amqplib';
import { silentLogger, systemClock } from '../../src/platform/index.ts';
import { createAmqpTransport } from '../../src/uplink/amqp.ts';
import type { OutgoingReport } from '../../src/uplink/transport.ts';
import { startRabbit } from '../support/rabbitmq.ts';
import { testCertificates } from '../support/tls.ts';

const messages = Number(process.argv[2] ?? 30_000);
const runs = Number(process.argv[3] ?? 5);
const underWay = 512;
const body = Buffer.alloc(512, 'x');
const { ca } = testCertificates();
const channel = 'device_process_info';

const rabbit = await startRabbit({ tls: true });
for (const [name, url] of [
  ['plain', rabbit.url],
  ['TLS', rabbit.tlsUrl!],
] as const) {
  const bare: number[] = [];
  const ours: number[] = [];
  await bareLoop(url);
  await throughTransport(url);
  for (let run = 0; run < runs; run++) {
    bare.push(await bareLoop(url));
    ours.push(await throughTransport(url));
  }
  const ratio = median(ours) / median(bare);
  console.log(
    `${name}: bare ${rates(bare)}, transport ${rates(ours)} messages/s; ratio of medians ${ratio.toFixed(3)}`,
  );
}
await rabbit.remove();

/** Messages per second of amqplib alone: the same properties, nothing kept. */
async function bareLoop(url: string): Promise<number> {
  const model = await amqp.connect(url, { ca: readFileSync(ca), noDelay: true } as never);
  const publisher = await model.createConfirmChannel();
  await publisher.assertQueue(channel);
  await publisher.purgeQueue(channel);
  const started = performance.now();
  let sent = 0;
  let confirmed = 0;
  await new Promise<void>((resolve) => {
    const pump = () => {
      while (sent < messages && sent - confirmed < underWay) {
        publisher.publish('', channel, body, properties(sent++), () => {
          confirmed++;
          if (confirmed === messages) resolve();
          else pump();
        });
      }
    };
    pump();
  });
  const rate = messages / ((performance.now() - started) / 1000);
  await model.close();
  return rate;
}

function properties(sequence: number): amqp.Options.Publish {
  return {
    mandatory: true,
    persistent: true,
    contentType: 'application/json',
    messageId: `gw-bench-0123456789abcdef-${sequence}`,
    appId: 'gw-bench',
    timestamp: 1_700_000_000,
    type: channel,
    headers: {
      'x-sequence': sequence,
      'x-accepted-at': 1_700_000_000_000,
      'x-clock': 'trusted',
      'x-previous': sequence - 1,
    },
  };
}

async function throughTransport(url: string): Promise<number> {
  const model = await amqp.connect(rabbit.url);
  await (await model.createChannel()).purgeQueue(channel);
  await model.close();
  const transport = createAmqpTransport({
    url,
    tls: { ca },
    gatewayId: 'gw-bench',
    replies: 'per-device',
    queueType: 'classic',
    channels: [channel],
    logger: silentLogger,
    clock: systemClock(),
  });
  let sent = 0;
  let confirmed = 0;
  let started = 0;
  await new Promise<void>((resolve, reject) => {
    const pump = () => {
      while (sent < messages && sent - confirmed < underWay) {
        if (!transport.send(report(sent++))) break;
      }
    };
    transport.start({
      onConnected() {
        started = performance.now();
        pump();
      },
      onDisconnected: reject,
      onConfirmed() {
        confirmed++;
        if (confirmed === messages) resolve();
        else pump();
      },
      onRejected: (_, error) => reject(error),
      onReceipt() {},
      onControl: async () => {},
      onControlDrained() {},
      onDrain: pump,
    });
  });
  const rate = messages / ((performance.now() - started) / 1000);
  await transport.stop();
  return rate;
}

function report(sequence: number): OutgoingReport {
  return {
    messageId: `gw-bench-0123456789abcdef-${sequence}`,
    channel,
    serial: 'SN1',
    body,
    sequence,
    previous: sequence - 1,
    acceptedAtMs: 1_700_000_000_000,
    clockTrusted: true,
  };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

function rates(values: readonly number[]): string {
  return `${Math.round(median(values))} (${values.map((value) => Math.round(value)).join(' ')})`;
}
