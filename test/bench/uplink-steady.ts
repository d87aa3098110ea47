/**
 * Reports come in over MQTT as fast as they are acknowledged, and go out to another server at once: the gateway
 * (`acknowledge: broker`) beside RabbitMQ with its MQTT plugin and a shovel. Compared is what arrives at the far queue;
 * and to show that neither end starves the other, what is accepted and what arrives in each second, and what waits at
 * the end. Once with the far queue as it comes, which keeps what nobody reads in memory, and once with it on the disk, as
 * docs/central.md advises before RabbitMQ 3.12; each with a far RabbitMQ of its own. The gateway lets clients send as fast
 * as they can there; once more it holds each to the rate that it comes with (`mqtt.ratePerClient`).
 *
 *     bin/node test/bench/uplink-steady.ts [--quick] [--rounds N]
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { loadConfig } from '../../src/config/index.ts';
import { type Rabbit, startRabbit } from '../support/rabbitmq.ts';
import { type Bench, benchmark, median, round } from './support/bench.ts';
import { GatewayProcess } from './support/gateway.ts';
import { type LoadOptions, startLoad } from './support/load.ts';
import { Queue } from './support/queue.ts';
import { startShovel } from './support/shovel.ts';

const channel = 'device_process_info';
const edgeName = 'edge';
/** What a client may send in a second when the configuration says nothing. */
const defaultRate = loadConfig({ environment: {} }).config.mqtt.ratePerClient;
/** A second in which a side does less than this part of its median counts as standing still. */
const starved = 0.25;

interface Flow {
  /** Per second, one figure for each second. */
  readonly accepted: number[];
  readonly arrived: number[];
  /** Accepted and not arrived, at the end. */
  readonly backlog: number;
}

interface Flows {
  readonly gateway: Flow[];
  readonly rabbit: Flow[];
}

await benchmark(async (bench) => {
  const seconds = bench.pick(20, 3);
  const edge = await startRabbit({ mqtt: true, plugins: ['rabbitmq_shovel'] });
  const edgeQueue = await Queue.open(edge.url, edgeName, channel);
  const inMemory = await bothSides({});
  const atRate = await bothSides({ mqtt: { ratePerClient: defaultRate } });
  const onDisk = await bothSides({ isLazy: true });
  await edgeQueue.close();
  await edge.remove();
  const name = `in and out at once for ${seconds} s`;
  report(bench, name, inMemory);
  report(bench, `${name}, ${defaultRate}/s a client`, atRate);
  report(bench, `${name}, far queue lazy`, onDisk);

  async function bothSides({ isLazy = false, mqtt = {} }: { isLazy?: boolean; mqtt?: object }): Promise<Flows> {
    const flows: Flows = { gateway: [], rabbit: [] };
    const far = await startRabbit();
    const farQueue = await Queue.open(far.url, channel);
    if (isLazy) {
      await far.ctl('set_policy', 'reports', `^${channel}$`, '{"queue-mode":"lazy"}', '--apply-to', 'queues');
    }
    await bench.alternate(bench.rounds(3), {
      gateway: async () => keep(flows.gateway, await throughGateway(far, farQueue, mqtt, seconds)),
      rabbit: async () => keep(flows.rabbit, await throughRabbit(edge, edgeQueue, far, farQueue, seconds)),
    });
    await farQueue.close();
    await far.remove();
    return flows;
  }
});

function keep(flows: Flow[], flow: Flow): number {
  flows.push(flow);
  return mean(flow.arrived);
}

function report(bench: Bench, name: string, flows: Flows): void {
  const perSecond = (side: Flow[], what: 'accepted' | 'arrived') => side.map((flow) => mean(flow[what]));
  const beside = 'RabbitMQ with a shovel';
  const common = { unit: 'messages/s', beside };
  bench.compare({
    ...common,
    name: `${name}: arrived`,
    ours: perSecond(flows.gateway, 'arrived'),
    theirs: perSecond(flows.rabbit, 'arrived'),
    target: { atLeast: 1.5 },
  });
  bench.compare({
    ...common,
    name: `${name}: accepted`,
    ours: perSecond(flows.gateway, 'accepted'),
    theirs: perSecond(flows.rabbit, 'accepted'),
  });
  for (const what of ['accepted', 'arrived'] as const) {
    bench.state({
      name: `${name}: slowest second of what was ${what}`,
      unit: 'of the median second',
      ours: flows.gateway.map((flow) => Math.min(...flow[what]) / median(flow[what])),
      target: { atLeast: starved },
    });
  }
  describe(bench, 'gateway', flows.gateway.at(-1)!);
  describe(bench, beside, flows.rabbit.at(-1)!);
}

async function throughGateway(far: Rabbit, farQueue: Queue, mqtt: object, seconds: number): Promise<Flow> {
  await farQueue.purge();
  const gateway = await GatewayProcess.start({ upstream: { url: far.url, acknowledge: 'broker' }, mqtt });
  const accepted = async () => (await gateway.counts()).accepted;
  const flow = await run({ port: gateway.mqttPort, replies: true }, seconds, accepted, () => farQueue.length());
  await gateway.remove();
  return flow;
}

async function throughRabbit(
  edge: Rabbit,
  edgeQueue: Queue,
  far: Rabbit,
  farQueue: Queue,
  seconds: number,
): Promise<Flow> {
  await farQueue.purge();
  const stop = await startShovel({ from: edge, queue: edgeName, to: far, toQueue: channel });
  const login = { port: edge.mqttPort!, username: 'guest', password: 'guest' };
  // `messages` of the management would count unacknowledged ones too; passive declare does not, at most 512.
  const accepted = async () => (await edgeQueue.length()) + (await farQueue.length());
  const flow = await run(login, seconds, accepted, () => farQueue.length());
  await stop();
  await edgeQueue.purge();
  return flow;
}

/** Loads one side and looks at it every second. */
async function run(
  target: Pick<LoadOptions, 'port' | 'username' | 'password' | 'replies'>,
  seconds: number,
  accepted: () => Promise<number>,
  arrived: () => Promise<number>,
): Promise<Flow> {
  const warmup = 3;
  const generator = startLoad({ ...target, clients: 16, inflight: 64, warmup, seconds: seconds + 1 });
  const generated = generator.json();
  // It fails while we look; whoever awaits it later shall be told.
  generated.catch(() => {});
  await sleep(warmup * 1000);
  const flow = { accepted: [] as number[], arrived: [] as number[] };
  const look = async () => ({ at: performance.now(), accepted: await accepted(), arrived: await arrived() });
  let last = await look();
  for (let second = 0; second < seconds; second++) {
    await sleep(last.at + 1000 - performance.now());
    const now = await look();
    const elapsed = (now.at - last.at) / 1000;
    flow.accepted.push((now.accepted - last.accepted) / elapsed);
    flow.arrived.push((now.arrived - last.arrived) / elapsed);
    last = now;
  }
  await generated;
  return { ...flow, backlog: last.accepted - last.arrived };
}

function describe(bench: Bench, side: string, { accepted, arrived, backlog }: Flow): void {
  const series = (values: number[]) => values.map(round).join(' ');
  bench.note(`${side}, last round, accepted in each second: ${series(accepted)}`);
  bench.note(`${side}, last round, arrived in each second: ${series(arrived)}; ${round(backlog)} waited at the end`);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
