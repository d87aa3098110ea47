/** A machine that asks before it prints, over raw MQTT. */

import { acknowledge, publishPacket, RawClient, readPublish, subscribePacket } from '../mqtt-raw.ts';
import { until } from '../until.ts';
import { passwordOf } from './box.ts';

/** The five fields that an authorization is about. */
export interface AskingIdentity {
  readonly 序列号: string;
  readonly 机器型号: string;
  readonly 机器名称: string;
  readonly 地址: string;
  readonly 客户名称: string;
}

/** What a machine was answered, and how long that took. */
export interface Heard {
  readonly granted: boolean;
  readonly error: string;
  readonly ms: number;
}

const channels = ['device_base_info', 'device_process_info', 'device_error_info', 'device_auth'];

/** A machine of the customer `customer`. */
export function askingIdentity(serial: string, customer = '重庆达优'): AskingIdentity {
  return { 序列号: serial, 机器型号: 'P440', 机器名称: `${serial}号机`, 地址: '重庆', 客户名称: customer };
}

export class AskingMachine {
  readonly identity: AskingIdentity;
  readonly #client: RawClient;
  #id = 100;

  private constructor(identity: AskingIdentity, client: RawClient) {
    this.identity = identity;
    this.#client = client;
  }

  /** Connects to a gateway and subscribes to the machine's replies. */
  static async connect(mqttPort: number, identity: AskingIdentity): Promise<AskingMachine> {
    const serial = identity.序列号;
    const client = await RawClient.open(mqttPort, { id: serial, username: serial, password: passwordOf(serial) });
    client.write(...channels.map((channel, index) => subscribePacket(`${channel}_${serial}_res`, 1, index + 1)));
    for (const _ of channels) await client.next(9);
    return new AskingMachine(identity, client);
  }

  /** Sends a report; resolves with 错误 of its reply. `content` is added to the machine's identity. */
  async report(channel: string, content: object): Promise<string> {
    const time = { 报文时间: '2026-11-21 10:00:00' };
    await this.#publish(channel, { ...this.identity, ...time, ...content });
    return (await this.#reply(channel, 5000)).错误!;
  }

  /** Sends a query without waiting for its answer. */
  async sendQuery(changed: object = {}): Promise<void> {
    await this.#publish('device_auth', { ...this.identity, 查询授权: '1', ...changed });
  }

  /** Asks; resolves with the answer, rejects when none comes within `withinMs`. */
  async ask(changed: object = {}, withinMs = 10_000): Promise<Heard> {
    const startedAt = performance.now();
    await this.sendQuery(changed);
    return { ...(await this.answer(withinMs)), ms: performance.now() - startedAt };
  }

  /** The next answer to a query; `ms` from now. */
  async answer(withinMs = 10_000): Promise<Heard> {
    const startedAt = performance.now();
    const body = await this.#reply('device_auth', withinMs);
    const keys = Object.keys(body).sort().join();
    if (keys !== ['序列号', '错误', '授权', '报文时间'].sort().join())
      throw new Error(`an answer with the keys ${keys}`);
    return { granted: body.授权 === '1', error: body.错误!, ms: performance.now() - startedAt };
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  async #publish(channel: string, body: object): Promise<void> {
    this.#client.write(publishPacket(channel, JSON.stringify(body), { id: ++this.#id }));
    await this.#client.next(4);
  }

  async #reply(channel: string, withinMs: number): Promise<Record<string, string>> {
    const { packets } = this.#client;
    const topic = `${channel}_${this.identity.序列号}_res`;
    let found: ReturnType<typeof readPublish> | undefined;
    await until(
      () => {
        const index = packets.findIndex((packet) => packet.type === 3 && readPublish(packet).topic === topic);
        if (index < 0) {
          if (this.#client.isClosed) throw new Error('the gateway closed the connection');
          return false;
        }
        found = readPublish(packets.splice(index, 1)[0]!);
        return true;
      },
      `an answer on ${topic}`,
      withinMs,
    );
    if (found!.id > 0) this.#client.write(acknowledge(0x40, found!.id));
    return JSON.parse(found!.payload.toString()) as Record<string, string>;
  }
}
