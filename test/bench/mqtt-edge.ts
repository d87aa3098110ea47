/**
 * The edge of a site: MQTT, QoS 1, 512-byte reports, the uplink away. The whole gateway as a process (validation, disk,
 * PUBACK and a reply for each report) beside RabbitMQ's MQTT plugin into a durable queue, and beside mosquitto with a
 * durable session that is away. 16 clients with 64 under way, and one client with one.
 *
 * After each round: what was acknowledged is really there.
 *
 *     bin/node test/bench/mqtt-edge.ts [--quick] [--rounds N]
 */
import { startRabbit } from '../support/rabbitmq.ts';
import { type Bench, benchmark, type Target } from './support/bench.ts';
import { GatewayProcess } from './support/gateway.ts';
import { type LoadResult, load } from './support/load.ts';
import { Mosquitto } from './support/mosquitto.ts';
import { until } from './support/processes.ts';
import { Queue } from './support/queue.ts';

const topic = 'device_process_info';

/** What RabbitMQ did with one client and one message under way on the computer on which the target was set. */
const rabbitAlone = 474;

/** A server under load; `load` resolves once it was seen that everything acknowledged is kept. */
interface Edge {
  load(options: { clients: number; inflight: number; seconds: number; warmup: number }): Promise<LoadResult>;
  remove(): Promise<void>;
}

await benchmark(async (bench) => {
  const [gateway, rabbit, mosquitto] = await Promise.all([gatewayEdge(), rabbitEdge(), mosquittoEdge()]);
  const edges = { gateway, rabbit, mosquitto };
  await compare(bench, { name: '16 clients, 64 under way', clients: 16, inflight: 64, target: { atLeast: 6 } }, edges);
  const alone = { name: '1 client, 1 under way', clients: 1, inflight: 1 };
  const rates = await compare(bench, alone, edges);
  bench.state({ name: alone.name, unit: 'messages/s', ours: rates, target: { atLeast: 3 * rabbitAlone } });
  await Promise.all([gateway.remove(), rabbit.remove(), mosquitto.remove()]);
});

async function compare(
  bench: Bench,
  { name, clients, inflight, target }: { name: string; clients: number; inflight: number; target?: Target },
  edges: { gateway: Edge; rabbit: Edge; mosquitto: Edge },
): Promise<readonly number[]> {
  const seconds = bench.pick(6, 1);
  const warmup = bench.pick(2, 0.3);
  const results: Record<string, LoadResult> = {};
  const run = (side: keyof typeof edges) => async () => {
    const result = await edges[side].load({ clients, inflight, seconds, warmup });
    results[side] = result;
    return result.perSecond;
  };
  const rates = await bench.alternate(bench.rounds(5), {
    gateway: run('gateway'),
    rabbit: run('rabbit'),
    mosquitto: run('mosquitto'),
  });
  const common = { name, unit: 'messages/s', ours: rates.gateway };
  bench.compare({ ...common, beside: 'RabbitMQ', theirs: rates.rabbit, ...(target && { target }) });
  bench.compare({ ...common, beside: 'mosquitto (nothing safe)', theirs: rates.mosquitto });
  const latencies = Object.entries(results).map(
    ([side, { latencyMs }]) => `${side} ${latencyMs.p50} / ${latencyMs.p99} ms`,
  );
  bench.note(`${name}: milliseconds to PUBACK of the last round, median / 99 %: ${latencies.join(', ')}`);
  return rates.gateway;
}

async function gatewayEdge(): Promise<Edge> {
  const gateway = await GatewayProcess.start();
  return {
    async load(options) {
      const before = (await gateway.counts()).accepted;
      const result = await load({ ...options, port: gateway.mqttPort, replies: true });
      const { accepted, pending } = await gateway.counts();
      if (pending !== accepted || accepted - before < result.acknowledgedInAll) {
        throw new Error(`the spool has ${accepted - before} of ${result.acknowledgedInAll} acknowledged reports`);
      }
      return result;
    },
    remove: () => gateway.remove(),
  };
}

async function rabbitEdge(): Promise<Edge> {
  const rabbit = await startRabbit({ mqtt: true });
  const queue = await Queue.open(rabbit.url, 'edge', topic);
  return {
    async load(options) {
      await queue.purge();
      const result = await load({ ...options, port: rabbit.mqttPort!, username: 'guest', password: 'guest' });
      const isThere = async () => (await queue.length()) >= result.acknowledgedInAll;
      await until(isThere, `${result.acknowledgedInAll} messages in RabbitMQ's queue`);
      return result;
    },
    async remove() {
      await queue.close();
      await rabbit.remove();
    },
  };
}

async function mosquittoEdge(): Promise<Edge> {
  const mosquitto = await Mosquitto.start();
  return {
    async load(options) {
      await mosquitto.queueFor(topic);
      const result = await load({ ...options, port: mosquitto.port });
      const count = await mosquitto.storedCount();
      if (count < result.acknowledgedInAll) {
        throw new Error(`mosquitto has ${count} of ${result.acknowledgedInAll} acknowledged messages`);
      }
      return result;
    },
    remove: () => mosquitto.remove(),
  };
}
