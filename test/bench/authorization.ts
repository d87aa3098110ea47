/**
 * Authorization while the centre is known to be away: from a machine's query over MQTT (QoS 1) to its answer, by a valid
 * lease, each query and answer with its line in the audit log on disk before. 20 machines, one query at a time.
 *
 *     bin/node test/bench/authorization.ts [--quick] [--rounds N]
 */
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectAsync, type MqttClient } from 'mqtt';
import { readReply } from '../../src/protocols/machines/index.ts';
import { identity, queryOf } from '../authorization/bench.ts';
import { ScriptedCentre } from '../authorization/scripted-centre.ts';
import { startRabbit } from '../support/rabbitmq.ts';
import { benchmark } from './support/bench.ts';
import { GatewayProcess } from './support/gateway.ts';

const machines = 20;
/** Under the limit of queries of one machine, 10 per second. */
const pauseMs = 6;
const serialOf = (index: number) => `bench${index}`;

class Machine {
  readonly #client: MqttClient;
  #heard: (body: Buffer) => void = () => {};

  private constructor(client: MqttClient) {
    this.#client = client;
    client.on('message', (_topic, body) => this.#heard(body));
  }

  static async connect(port: number): Promise<Machine> {
    const client = await connectAsync({ port, clientId: 'bench' });
    // A small message shall not wait until the one before it is acknowledged: that is 40 ms of this side's own.
    (client.stream as unknown as Socket).setNoDelay(true);
    for (let index = 0; index < machines; index++) {
      await client.subscribeAsync(`device_auth_${serialOf(index)}_res`, { qos: 1 });
    }
    return new Machine(client);
  }

  /** Milliseconds until the machine was told "1"; throws for any other answer. */
  async ask(serial: string): Promise<number> {
    const answer = Promise.withResolvers<Buffer>();
    this.#heard = answer.resolve;
    const startMs = performance.now();
    this.#client.publish('device_auth', queryOf({ ...identity, serial }), { qos: 1 });
    const reply = readReply(await answer.promise);
    const tookMs = performance.now() - startMs;
    if (reply?.serial !== serial || !reply.granted) throw new Error(`${serial} was answered ${reply?.error}`);
    return tookMs;
  }

  close(): void {
    this.#client.end(true);
  }
}

await benchmark(async (bench) => {
  const rabbit = await startRabbit();
  const centre = await ScriptedCentre.start(rabbit.url, undefined);
  const gateway = await GatewayProcess.start({
    upstream: { url: rabbit.url },
    authorization: { hardwareIdentity: 'the box of this benchmark' },
  });
  const machine = await Machine.connect(gateway.mqttPort);
  // Every machine is granted once; then the centre goes away.
  for (let index = 0; index < machines; index++) await machine.ask(serialOf(index));
  await centre.stop();
  await rabbit.remove();
  await sleep(500);

  const rounds = await bench.alternate(bench.rounds(5), {
    async median() {
      const times: number[] = [];
      for (let query = 0; query < bench.pick(400, 40); query++) {
        times.push(await machine.ask(serialOf(query % machines)));
        await sleep(pauseMs);
      }
      times.sort((a, b) => a - b);
      return times[times.length >> 1]!;
    },
  });
  bench.state({ name: 'query to answer by a lease, median', unit: 'ms', ours: rounds.median, target: { atMost: 10 } });
  machine.close();
  await gateway.remove();
});
