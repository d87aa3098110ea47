/**
 * Machines of a load generator. They keep what is not acknowledged and send it again byte for byte, in their order,
 * when they have a connection again; some are switched off meanwhile and have forgotten it. Now and then they send
 * again what was acknowledged long ago, as one does that has not seen the answer.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { acknowledge, connectPacket, publishPacket, RawClient, readPublish, subscribePacket } from '../mqtt-raw.ts';
import type { Random } from '../random.ts';
import { authorizationOf, passwordOf } from './box.ts';
import { type Channel, channelNames, reportBody } from './machine-reports.ts';

/** What the machines of one generator have in common. */
export interface Surroundings {
  readonly random: Random;
  readonly mqttPort: number;
  readonly httpPort: number;
  /** Reports a second of one machine. */
  readonly rate: number;
  /** Reports of one machine under way at most. */
  readonly window: number;
  /** How likely a machine that has lost its connection has forgotten what was not acknowledged. */
  readonly forgets: number;
  /** Keeps for ever that this report was acknowledged. */
  readonly onAcknowledged: (serial: string, channel: Channel, n: number) => void;
  /** Says what must not happen. */
  readonly onMistake: (text: string) => void;
  /** True: no new reports. */
  isFinishing: boolean;
  isOver: boolean;
}

interface Report {
  readonly channel: Channel;
  readonly n: number;
  readonly body: Buffer;
}

const resentAfterAcknowledgement = 3;
const connectTimeoutMs = 3000;

abstract class Machine {
  readonly serial: string;
  protected readonly world: Surroundings;
  /** Of each channel the number of the newest report. */
  readonly sent: Record<Channel, number> = { device_base_info: 0, device_process_info: 0, device_error_info: 0 };
  acknowledged = 0;
  forgotten = 0;
  repeated = 0;
  connections = 0;
  #turn = 0;

  constructor(serial: string, world: Surroundings) {
    this.serial = serial;
    this.world = world;
  }

  /** Lives until the generator is over. */
  abstract live(): Promise<void>;
  /** Reports that are sent or to be sent, and not acknowledged. */
  abstract get waiting(): number;

  protected make(): Report {
    const channel = channelNames[this.#turn++ % channelNames.length]!;
    const n = ++this.sent[channel];
    return { channel, n, body: reportBody(this.serial, channel, n) };
  }

  protected acknowledge({ channel, n }: Report): void {
    this.acknowledged++;
    this.world.onAcknowledged(this.serial, channel, n);
  }
}

/** Keeps several reports of QoS 1 under way and reads its replies. */
export class MqttMachine extends Machine {
  #unacknowledged: Report[] = [];
  #lately: Report[] = [];
  replies = 0;

  get waiting(): number {
    return this.#unacknowledged.length;
  }

  async live(): Promise<void> {
    const { world } = this;
    while (!world.isOver) {
      const client = await this.#connect();
      if (client !== undefined) {
        await this.#talk(client);
        await client.close();
        if (world.random.chance(world.forgets) && !world.isFinishing) {
          this.forgotten += this.#unacknowledged.length;
          this.#unacknowledged = [];
        }
      }
      await sleep(20 + world.random.below(100));
    }
  }

  async #connect(): Promise<RawClient | undefined> {
    const client = new RawClient(this.world.mqttPort);
    const timer = setTimeout(() => void client.close(), connectTimeoutMs);
    try {
      const { serial } = this;
      client.write(connectPacket({ id: serial, clean: false, username: serial, password: passwordOf(serial) }));
      const { body } = await client.next(2);
      if (body[1] !== 0) throw new Error(`CONNACK ${body[1]}`);
      this.connections++;
      return client;
    } catch {
      await client.close();
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  async #talk(client: RawClient): Promise<void> {
    const { world } = this;
    const underWay = new Map<number, Report>();
    let id = 10;
    const send = (report: Report, dup: boolean) => {
      id = id === 65_535 ? 10 : id + 1;
      underWay.set(id, report);
      client.write(publishPacket(report.channel, report.body, { id, dup }));
    };
    client.write(...channelNames.map((name, index) => subscribePacket(`${name}_${this.serial}_res`, 1, index + 1)));
    // Before the reports that wait, since they are older.
    const again = world.random.chance(0.5) ? this.#lately.slice(-resentAfterAcknowledgement) : [];
    this.repeated += again.length;
    for (const report of [...again, ...this.#unacknowledged]) send(report, true);
    const takeIn = () => {
      for (const each of client.packets.splice(0)) {
        if (each.type === 3) this.#reply(client, readPublish(each));
        if (each.type !== 4) continue;
        const report = underWay.get(each.body.readUInt16BE(0));
        underWay.delete(each.body.readUInt16BE(0));
        if (report === undefined) world.onMistake(`${this.serial}: an acknowledgement of nothing`);
        else this.#settled(report);
      }
    };
    client.socket.on('data', takeIn);
    takeIn();
    const startedAt = performance.now();
    let made = 0;
    while (!client.isClosed && !world.isOver) {
      const due = ((performance.now() - startedAt) / 1000) * world.rate;
      for (; made < due && !world.isFinishing && underWay.size < world.window; made++) {
        const report = this.make();
        this.#unacknowledged.push(report);
        send(report, false);
      }
      // What could not be sent in its time is not made up for all at once.
      made = Math.max(made, due - world.rate / 5);
      await Promise.race([sleep(20), client.closed]);
    }
  }

  #settled(report: Report): void {
    const index = this.#unacknowledged.indexOf(report);
    // One that was sent again after its acknowledgement.
    if (index < 0) return;
    this.#unacknowledged.splice(index, 1);
    this.acknowledge(report);
    this.#lately.push(report);
    if (this.#lately.length > 50) this.#lately.shift();
  }

  #reply(client: RawClient, { id, payload, topic }: ReturnType<typeof readPublish>): void {
    if (id !== 0) client.write(acknowledge(0x40, id));
    const reply = JSON.parse(payload.toString()) as Record<string, string>;
    this.replies++;
    if (reply.错误 !== '' || reply.序列号 !== this.serial) {
      this.world.onMistake(`${this.serial}: ${topic} ${payload}`);
    }
  }
}

/** Sends one report after the other by HTTP, each again until it is answered 202. */
export class HttpMachine extends Machine {
  #current: Report | undefined;

  get waiting(): number {
    return this.#current === undefined ? 0 : 1;
  }

  async live(): Promise<void> {
    const { world } = this;
    while (!world.isOver) {
      if (this.#current === undefined && world.isFinishing) {
        await sleep(50);
        continue;
      }
      this.#current ??= this.make();
      const status = await this.#post(this.#current);
      if (status === 202) {
        const report = this.#current;
        this.#current = undefined;
        this.acknowledge(report);
      } else if (status !== undefined && status !== 503 && status !== 429) {
        world.onMistake(`${this.serial}: HTTP ${status}`);
        return;
      }
      await sleep(status === 202 ? 1000 / world.rate : 20 + world.random.below(100));
    }
  }

  async #post({ channel, body }: Report): Promise<number | undefined> {
    try {
      const response = await fetch(`http://127.0.0.1:${this.world.httpPort}/reports/${channel}`, {
        method: 'POST',
        body: new Uint8Array(body),
        headers: { authorization: authorizationOf(this.serial) },
        signal: AbortSignal.timeout(5000),
      });
      await response.arrayBuffer();
      return response.status;
    } catch {
      return undefined;
    }
  }
}
