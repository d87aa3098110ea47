/**
 * mosquitto of the distribution, with persistence and no limit to its queues. It answers QoS 1 when the message is in
 * its memory and writes its file every half hour and at its end: it is here as the speed of a broker that keeps nothing
 * safe.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import mqtt from 'mqtt';
import { freePort, temporaryFolder } from '../../support/temporary.ts';
import { listening, Program } from './processes.ts';

const stored = '$SYS/broker/store/messages/count';

export class Mosquitto {
  readonly port: number;
  readonly #folder = temporaryFolder('holdfast-bench-');
  readonly #program: Program;

  constructor(port: number) {
    this.port = port;
    const data = this.#folder.file('data');
    mkdirSync(data);
    const lines = [
      `listener ${port} 127.0.0.1`,
      'allow_anonymous true',
      'persistence true',
      `persistence_location ${data}/`,
      'max_queued_messages 0',
      'max_queued_bytes 0',
      'sys_interval 1',
      'user root',
    ];
    writeFileSync(this.#folder.file('mosquitto.conf'), `${lines.join('\n')}\n`);
    this.#program = new Program('/usr/sbin/mosquitto', ['-c', this.#folder.file('mosquitto.conf')]);
  }

  static async start(): Promise<Mosquitto> {
    const server = new Mosquitto(await freePort());
    await listening(server.#program, server.port);
    return server;
  }

  /** Makes a session that wants `topic` and is away, so that everything is queued; forgets what was queued before. */
  async queueFor(topic: string): Promise<void> {
    const url = `mqtt://127.0.0.1:${this.port}`;
    await (await mqtt.connectAsync(url, { clientId: 'away', clean: true })).endAsync();
    const client = await mqtt.connectAsync(url, { clientId: 'away', clean: false });
    await client.subscribeAsync(topic, { qos: 1 });
    await client.endAsync();
  }

  /** How many messages it keeps; as it says every second, so the second answer counts. */
  async storedCount(): Promise<number> {
    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${this.port}`);
    const counts: number[] = [];
    await new Promise<void>((resolve) => {
      client.on('message', (_, payload) => {
        counts.push(Number(payload.toString()));
        if (counts.length > 1) resolve();
      });
      client.subscribe(stored);
      // When nothing changes it says nothing.
      setTimeout(resolve, 3000);
    });
    await client.endAsync();
    return counts.at(-1) ?? 0;
  }

  async remove(): Promise<void> {
    await this.#program.end('SIGKILL');
    this.#folder.remove();
  }
}
