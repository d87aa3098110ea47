/**
 * A backlog goes to RabbitMQ, 512 under way, `acknowledge: broker`: a gateway that is started on a spool full of
 * reports, beside a bare amqplib loop that publishes as many from memory (over TLS), and beside RabbitMQ's shovel from a
 * queue on another node (without TLS; its own transfer, with the same prefetch and confirms). The far end is a
 * RabbitMQ whose queue nobody reads, a fresh one for each comparison (a queue keeps the heap that it once needed); the
 * rate is that of the arrivals there, from the first tenth to the last. The last comparison
 * is made again with the far queue on the disk (`queue-mode: lazy`, as docs/central.md advises before RabbitMQ 3.12): a
 * queue that keeps everything in memory spends most of its time on collecting garbage.
 *
 *     bin/node test/bench/uplink-drain.ts [--quick] [--rounds N]
 */
import { cpSync } from 'node:fs';
import { type Rabbit, startRabbit } from '../support/rabbitmq.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { testCertificates } from '../support/tls.ts';
import { arrivalRate } from './support/arrivals.ts';
import { benchmark } from './support/bench.ts';
import { GatewayProcess } from './support/gateway.ts';
import { startScript, until } from './support/processes.ts';
import { Queue } from './support/queue.ts';
import { startShovel } from './support/shovel.ts';
import { fillSpool } from './support/spool.ts';

const channel = 'device_process_info';

await benchmark(async (bench) => {
  const count = bench.pick(200_000, 5_000);
  const backlog = temporaryFolder('holdfast-bench-');
  const [edge] = await Promise.all([
    startRabbit({ plugins: ['rabbitmq_shovel'] }),
    fillSpool(backlog.file('spool'), count),
  ]);
  let far: Rabbit;
  let farQueue: Queue;
  const edgeQueue = await Queue.open(edge.url, 'backlog');
  const { ca } = testCertificates();

  const gateway = async (url: string) => {
    await farQueue.purge();
    const process = await GatewayProcess.prepare({
      upstream: { url, tls: { ca }, acknowledge: 'broker', window: 512 },
    });
    cpSync(backlog.file('spool'), process.spoolFolder, { recursive: true });
    await process.start();
    const rate = await arrivalRate(farQueue, count);
    await until(async () => (await process.counts()).pending === 0, 'an empty spool');
    await process.remove();
    const length = await farQueue.length();
    if (length !== count) throw new Error(`${length} messages came of ${count} reports`);
    return rate;
  };
  const bare = async (url: string) => {
    await farQueue.purge();
    const words = ['--url', url, '--queue', channel, '--count', String(count), '--ca', ca];
    const publisher = startScript('bare-publisher.ts', words);
    const rate = await arrivalRate(farQueue, count);
    await publisher.json();
    return rate;
  };
  const shovel = async () => {
    await farQueue.purge();
    await edgeQueue.purge();
    const words = ['--url', edge.url, '--queue', 'backlog', '--count', String(count)];
    await startScript('bare-publisher.ts', words).json();
    const stop = await startShovel({ from: edge, queue: 'backlog', to: far, toQueue: channel });
    const rate = await arrivalRate(farQueue, count);
    await stop();
    return rate;
  };

  /** One comparison at a far end of its own. */
  const atFar = async <T>(compare: () => Promise<T>): Promise<T> => {
    far = await startRabbit({ tls: true });
    farQueue = await Queue.open(far.url, channel);
    const figures = await compare();
    await farQueue.close();
    await far.remove();
    return figures;
  };
  const rounds = bench.rounds(3);
  const tls = await atFar(() =>
    bench.alternate(rounds, { gateway: () => gateway(far.tlsUrl!), bare: () => bare(far.tlsUrl!) }),
  );
  const plain = await atFar(() =>
    bench.alternate(rounds, { gateway: () => gateway(far.url), bare: () => bare(far.url), shovel }),
  );
  const lazy = await atFar(async () => {
    const reports = '^device_(base|process|error)_info$';
    await far.ctl('set_policy', 'reports', reports, '{"queue-mode":"lazy"}', '--apply-to', 'queues');
    return await bench.alternate(rounds, { gateway: () => gateway(far.url), shovel });
  });
  await edgeQueue.close();
  await edge.remove();

  const unit = 'messages/s';
  const loop = 'amqplib from memory';
  const atLeast = { loop: 0.85, shovel: 1.3 };
  bench.compare({
    name: 'drain over TLS',
    unit,
    ours: tls.gateway,
    beside: loop,
    theirs: tls.bare,
    target: { atLeast: atLeast.loop },
  });
  const withoutTls = { name: 'drain without TLS', unit, ours: plain.gateway };
  bench.compare({
    ...withoutTls,
    beside: "RabbitMQ's shovel",
    theirs: plain.shovel,
    target: { atLeast: atLeast.shovel },
  });
  bench.compare({ ...withoutTls, beside: loop, theirs: plain.bare });
  bench.compare({
    name: 'drain without TLS, far queue lazy',
    unit,
    ours: lazy.gateway,
    beside: "RabbitMQ's shovel",
    theirs: lazy.shovel,
  });
});
