/** A gateway with an embedded centre behind a switch, and clients that speak as the nodes of `@holdfast/node-red` do. */
import { createConnection } from 'node:net';
import { MqttClient } from 'mqtt';
import { type Central, createCentral } from '../../src/central.ts';
import { loadConfig } from '../../src/config/index.ts';
import { Gateway } from '../../src/gateway.ts';
import { flowSocketPath } from '../../src/gateway-flows.ts';
import { silentLogger, systemClock } from '../../src/platform/index.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { freePorts, temporaryFolder } from '../support/temporary.ts';

export interface Said {
  readonly kind: string;
  readonly id: string;
  readonly body: Record<string, unknown>;
}

/** A client of the local topics; remembers all that it is told. */
export class FlowClient {
  readonly said: Said[] = [];
  readonly others: { topic: string; body: string }[] = [];
  readonly mqtt: MqttClient;
  readonly name: string;

  private constructor(client: MqttClient, name: string) {
    this.mqtt = client;
    this.name = name;
    client.on('message', (topic, payload) => {
      const [, , owner, kind, id] = topic.split('/');
      if (owner === name) this.said.push({ kind: kind!, id: id!, body: JSON.parse(payload.toString()) });
      else this.others.push({ topic, body: payload.toString() });
    });
  }

  /** `at`: a port of TCP, or the path of a Unix socket. */
  static async connect(at: number | string, name: string, password = 'secret', id = 'nodes'): Promise<FlowClient> {
    const options = { clientId: id, username: name, password, clean: false, reconnectPeriod: 0, queueQoSZero: false };
    const client = new MqttClient(
      () => (typeof at === 'number' ? createConnection(at, '127.0.0.1') : createConnection(at)),
      { ...options, protocolVersion: 4 },
    );
    const flow = new FlowClient(client, name);
    client.on('error', () => {});
    await new Promise<void>((resolve, reject) => {
      client.once('connect', () => resolve());
      client.once('error', reject);
      client.once('close', () => reject(new Error('closed')));
    });
    return flow;
  }

  /** Resolves with the granted QoS, 128 when it is refused. */
  async subscribe(filter: string): Promise<number> {
    return new Promise((resolve) => {
      this.mqtt.subscribe(filter, { qos: 1 }, (error, granted) => resolve(error ? 128 : (granted?.[0]?.qos ?? 128)));
    });
  }

  /** Resolves when the gateway has acknowledged it. */
  async ask(kind: string, id: string, body: unknown): Promise<void> {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    await this.mqtt.publishAsync(`holdfast/local/${this.name}/${kind}/${id}`, text, { qos: 1 });
  }

  /** What was said of one request, in order. */
  of(id: string): string[] {
    return this.said.filter((said) => said.id === id).map(({ kind }) => kind);
  }

  body(id: string, kind: string): Record<string, unknown> | undefined {
    return this.said.find((said) => said.id === id && said.kind === kind)?.body;
  }

  async end(): Promise<void> {
    await this.mqtt.endAsync(true);
  }
}

const clock = systemClock();
const upstreamPassword = 'upstream';

/** Gateway and centre of one test file; a gateway can be stopped and started again on the same folder. */
export class LocalSite {
  readonly folder = temporaryFolder('holdfast-local-');
  central!: Central;
  gateway!: Gateway;
  proxy!: TcpProxy;
  mqttPort = 0;
  readonly #environment: Record<string, string>;

  constructor(environment: Record<string, string> = {}) {
    this.#environment = environment;
  }

  get socket(): string {
    return flowSocketPath(this.folder.file('box'));
  }

  async start(): Promise<void> {
    const [mqttPort, httpPort, centralHttp] = await freePorts(3);
    this.mqttPort = mqttPort!;
    const { config } = loadConfig({
      environment: {
        HOLDFAST_CENTRAL_EMBEDDED: this.folder.file('documents'),
        HOLDFAST_CENTRAL_HTTP_HOST: '127.0.0.1',
        HOLDFAST_CENTRAL_HTTP_PORT: String(centralHttp),
      },
    });
    this.central = createCentral({
      config,
      clock,
      logger: silentLogger,
      dataFolder: this.folder.file('centre'),
      embeddedBroker: { host: '127.0.0.1', port: 0, gateways: [{ id: 'box', password: upstreamPassword }] },
    });
    await this.central.start();
    this.proxy = await startTcpProxy({ port: this.central.ports.mqtt! });
    Object.assign(this.#environment, {
      HOLDFAST_GATEWAY_ID: 'box',
      HOLDFAST_SITE_LANGUAGE: 'en',
      HOLDFAST_HTTP_HOST: '127.0.0.1',
      HOLDFAST_HTTP_PORT: String(httpPort),
      HOLDFAST_MQTT_HOST: '127.0.0.1',
      HOLDFAST_MQTT_PORT: String(mqttPort),
      HOLDFAST_AUTHORIZATION_HARDWARE_IDENTITY: 'the box of a test',
      HOLDFAST_UPSTREAM_URL: `mqtt://box:${upstreamPassword}@127.0.0.1:${this.proxy.port}`,
      HOLDFAST_MQTT_CLIENTS: JSON.stringify([
        { username: 'all', password: 'secret', serials: ['*'], allow: ['report', 'authorize', 'query'] },
        { username: 'one', password: 'secret', serials: ['SN1'], allow: ['report', 'query'] },
        { username: 'machine', password: 'secret', serials: ['*'] },
      ]),
    });
    await this.startGateway();
  }

  async startGateway(): Promise<void> {
    const { config } = loadConfig({ environment: this.#environment });
    this.gateway = new Gateway({ config, dataFolder: this.folder.file('box'), clock, logger: silentLogger });
    await this.gateway.start();
  }

  async stop(): Promise<void> {
    await this.gateway.stop();
    await this.central.stop();
    await this.proxy.stop();
  }
}

/** A report of the channel for states and prints. */
export const processReport = (serial: string, more: object = {}) => ({
  channel: 'device_process_info',
  body: { ...identity(serial), 设备状态: '开机', ...more },
});

export const identity = (serial: string) => ({
  序列号: serial,
  机器型号: 'P440',
  机器名称: `${serial}号机`,
  地址: '重庆',
  客户名称: '重庆达优',
  报文时间: '2026-11-21 10:00:00',
});
