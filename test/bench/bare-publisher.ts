/**
 * amqplib and nothing around it: publishes `--count` bodies of 512 bytes from memory with 512 under way, with the
 * properties that the gateway gives its reports. In a process of its own, as the gateway is.
 *
 *     bin/node test/bench/bare-publisher.ts --url amqp://… --queue NAME --count N [--ca FILE]
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import amqp from 'amqplib';

const { values } = parseArgs({
  options: {
    url: { type: 'string', default: '' },
    queue: { type: 'string', default: '' },
    count: { type: 'string', default: '0' },
    ca: { type: 'string' },
  },
});
const count = Number(values.count);
const queue = values.queue;
const underWay = 512;
const body = Buffer.alloc(512, 'x');

const options = { noDelay: true, ...(values.ca !== undefined && { ca: readFileSync(values.ca) }) };
const model = await amqp.connect(values.url, options as never);
const publisher = await model.createConfirmChannel();
const started = performance.now();
let sent = 0;
let confirmed = 0;
await new Promise<void>((resolve) => {
  const pump = () => {
    while (sent < count && sent - confirmed < underWay) {
      publisher.publish('', queue, body, properties(sent++), (error) => {
        if (error !== null) throw error;
        if (++confirmed === count) resolve();
        else pump();
      });
    }
  };
  pump();
});
console.log(JSON.stringify({ perSecond: (count / (performance.now() - started)) * 1000 }));
await model.close();

function properties(sequence: number): amqp.Options.Publish {
  return {
    mandatory: true,
    persistent: true,
    contentType: 'application/json',
    messageId: `gw-bench-0123456789abcdef-${sequence}`,
    appId: 'gw-bench',
    timestamp: 1_700_000_000,
    type: queue,
    headers: {
      'x-sequence': sequence,
      'x-accepted-at': 1_700_000_000_000,
      'x-clock': 'trusted',
      'x-previous': sequence - 1,
    },
  };
}
