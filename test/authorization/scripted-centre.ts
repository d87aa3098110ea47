import type { KeyObject } from 'node:crypto';
import amqp, { type Channel, type ChannelModel, type ConsumeMessage } from 'amqplib';
import { SiteTime } from '../../src/platform/index.ts';
import {
  builtInChannels,
  encodePush,
  gatewayControlQueue,
  grantFields,
  type Identity,
  parseBody,
  readIdentity,
  signGrant,
} from '../../src/protocols/machines/index.ts';

const siteTime = new SiteTime('Asia/Shanghai');
const dayMs = 86_400_000;

/** A centre on RabbitMQ that says to queries what a test wants. */
export class ScriptedCentre {
  /** What it says. */
  says: 'grant' | 'deny' | 'nothing' = 'grant';
  /** Machines that asked, in order. */
  readonly asked: string[] = [];
  version = 1;
  readonly #model: ChannelModel;
  readonly #channel: Channel;
  readonly #key: KeyObject | undefined;

  private constructor(model: ChannelModel, channel: Channel, key: KeyObject | undefined) {
    this.#model = model;
    this.#channel = channel;
    this.#key = key;
  }

  /** With a key it signs and correlates; without one it does neither, as a legacy centre. */
  static async start(url: string, key: KeyObject | undefined): Promise<ScriptedCentre> {
    const model = await amqp.connect(url);
    const channel = await model.createChannel();
    const centre = new ScriptedCentre(model, channel, key);
    for (const { name } of builtInChannels) {
      await channel.assertQueue(name, { durable: true });
      await channel.consume(name, (message) => message && centre.#onMessage(name, message), { noAck: true });
    }
    return centre;
  }

  /** Pushes a change to a gateway: until `days` from now; past when negative. */
  push(gatewayId: string, identity: Identity, days: number): void {
    const grant = this.#sign(gatewayId, identity, days, ++this.version);
    this.#channel.sendToQueue(gatewayControlQueue(gatewayId), encodePush(grant), { persistent: true });
  }

  stop(): Promise<void> {
    return this.#model.close();
  }

  #onMessage(channel: string, { content, properties }: ConsumeMessage): void {
    const body = parseBody(content);
    if (typeof body === 'string') return;
    const serial = String(body.序列号 ?? body.gateway);
    const reply = (answer: object) =>
      this.#channel.sendToQueue(
        (properties.replyTo as string | undefined) ??
          `${channel}_${channel === 'device_auth_log' ? body.gateway : serial}_res`,
        Buffer.from(JSON.stringify({ 序列号: serial, 错误: '', 报文时间: siteTime.format(Date.now()), ...answer })),
        this.#key === undefined ? {} : { correlationId: properties.messageId as string },
      );
    if (channel !== 'device_auth') {
      reply({ 表: channel });
      return;
    }
    this.asked.push(serial);
    if (this.says === 'deny') reply({ 授权: '0', 错误: '授权不通过0' });
    if (this.says !== 'grant') return;
    const identity = readIdentity(body)!;
    const grant = this.#key && this.#sign(properties.appId as string, identity, 30, this.version);
    reply({ 授权: '1', ...(grant && grantFields(grant)) });
  }

  #sign(gatewayId: string, identity: Identity, days: number, version: number) {
    const until = siteTime.format(Date.now() + days * dayMs);
    const grantedAt = siteTime.format(Date.now());
    return signGrant({ identity, until, grantedAt, version }, gatewayId, this.#key!);
  }
}
