/**
 * The gateway: where its parts are put together, started in order and stopped in reverse.
 *
 * The HTTP server comes first, so that /healthz answers while the spool is read; then the spool, the MQTT broker, and
 * the uplink last. A missing uplink is not an error: everything stays on disk until there is one.
 */
import { join } from 'node:path';
import { Alarms } from './alarms.ts';
import { administerAuthorization, isAuthorizationRequest } from './authorization/index.ts';
import { BoxQueries } from './box-queries.ts';
import { Access, type Broker } from './broker/index.ts';
import { type GatewayConfig, gatewayId, redactUrl } from './config/index.ts';
import { ControlSocket, controlSocketPath } from './control-socket.ts';
import { chooseUpstream, finishEnrolment, type Upstream } from './enrolment/index.ts';
import { describeError } from './errors.ts';
import type { FlowEngineLimits } from './flow-engine/index.ts';
import { isDevicesRequest } from './flow-engine/index.ts';
import { GatewayAuthorization } from './gateway-authorization.ts';
import { gatewayBroker, gatewayHttp } from './gateway-doors.ts';
import { GatewayEvents } from './gateway-events.ts';
import { GatewayFlows } from './gateway-flows.ts';
import { gatewayHealth } from './gateway-health.ts';
import { gatewayMetrics } from './gateway-metrics.ts';
import { gatewayForwarder } from './gateway-uplink.ts';
import type { HttpServer } from './http/index.ts';
import { MachineIntake } from './intake/index.ts';
import { createCounters } from './metrics.ts';
import {
  boundClock,
  Certificates,
  type Clock,
  ClockTrust,
  type FileSystem,
  type Logger,
  nodeFileSystem,
  SiteTime,
} from './platform/index.ts';
import { createChannels, LiveTexts, pushKinds, ReplyWriter } from './protocols/machines/index.ts';
import { administer, type FolderLock, lockFolder, Spool, type SpoolRequest } from './spool/index.ts';
import { spoolOptions } from './spool-options.ts';
import { textsAlarm } from './texts-alarm.ts';
import { createTransport, type Forwarder, type UplinkTransport } from './uplink/index.ts';

export interface GatewayOptions {
  readonly config: GatewayConfig;
  readonly dataFolder: string;
  /** Its own `isTrusted` is not asked: whether the wall clock is synchronized is found out here. */
  readonly clock: Clock;
  readonly logger: Logger;
  readonly fileSystem?: FileSystem;
  /** Shows the first administrator's password to a person; never a log. */
  readonly announce?: (line: string) => void;
  /** Limits and pauses of the flow engine other than its own. */
  readonly flowLimits?: Partial<FlowEngineLimits>;
}

const watchEveryMs = 2000;
/** A gateway; `start` and `stop` once each. */
export class Gateway {
  readonly #options: GatewayOptions;
  readonly #counters = createCounters();
  readonly #alarms: Alarms;
  readonly #clockTrust: ClockTrust;
  readonly #certificates: Certificates;
  readonly #stops: (() => Promise<void> | void)[] = [];
  #state: 'new' | 'starting' | 'running' | 'stopping' = 'new';
  #id = '';
  #spool: Spool | undefined;
  #forwarder: Forwarder | undefined;
  #transport: UplinkTransport | undefined;
  #http: HttpServer | undefined;
  #broker: Broker | undefined;
  #queries: BoxQueries | undefined;
  #authorization: GatewayAuthorization | undefined;
  #flows: GatewayFlows | undefined;

  constructor(options: GatewayOptions) {
    this.#clockTrust = new ClockTrust({
      clock: options.clock,
      onChange: (state) => {
        if (state === 'no') this.#alarms.raise('clock-untrusted', { next: 'let the box reach a time server' });
        else this.#alarms.clear('clock-untrusted');
      },
    });
    const clock: Clock = { ...boundClock(options.clock), isTrusted: () => this.#clockTrust.state === 'yes' };
    this.#options = { ...options, clock };
    this.#alarms = new Alarms(this.#options);
    this.#certificates = new Certificates({ ...this.#options, alarms: this.#alarms });
  }

  /** The gateway's name; known once started. */
  get id(): string {
    return this.#id;
  }

  /** The ports that were opened. */
  get ports(): {
    readonly http: readonly number[];
    readonly https: number | undefined;
    readonly mqtt: number | undefined;
    readonly mqtts: number | undefined;
  } {
    const http = this.#http?.ports;
    const mqtt = this.#broker?.ports;
    return { http: http?.plain ?? [], https: http?.tls, mqtt: mqtt?.plain, mqtts: mqtt?.tls };
  }

  get spool(): Spool {
    return this.#spool!;
  }

  /**
   * Starts all parts; what was started is stopped again when one fails.
   *
   * @throws HoldfastError `spool-locked`, `spool-version`, `port-taken`, `configuration-invalid`.
   */
  async start(): Promise<void> {
    this.#state = 'starting';
    try {
      await this.#startParts();
      this.#state = 'running';
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Stops all parts in reverse order. What was acknowledged is on disk. */
  async stop(): Promise<void> {
    this.#state = 'stopping';
    for (const stop of this.#stops.splice(0).reverse()) {
      try {
        await stop();
      } catch (error) {
        this.#options.logger.error({ error: describeError(error) }, 'a part did not stop in order');
      }
    }
  }

  /** Gives back the memory that a burst has left; for a quiet moment. */
  giveBack(): void {
    this.#spool?.giveBack();
  }

  /** Looks at the files of certificates now, not only within the next seconds. */
  reloadCertificates(): Promise<void> {
    return this.#certificates.check();
  }

  async #startParts(): Promise<void> {
    const { config, dataFolder, clock, logger, fileSystem = nodeFileSystem } = this.#options;
    const counters = this.#counters;
    const spoolFolder = join(dataFolder, 'spool');
    const lock: FolderLock = lockFolder(spoolFolder);
    this.#stops.push(() => lock.release());
    if (await finishEnrolment({ dataFolder, fileSystem })) logger.info({}, 'a new enrolment is used from now on');
    this.#id = await gatewayId({ configured: config.gateway.id, dataFolder, fileSystem });

    const channels = createChannels(config.channels);
    const events = new GatewayEvents({
      gatewayId: this.#id,
      spool: () => this.#spool,
      alarms: this.#alarms,
      clock,
      logger,
    });
    const spool = new Spool({
      ...spoolOptions(config, spoolFolder),
      fileSystem,
      clock,
      logger,
      events: {
        onStored: (log) => this.#forwarder?.onStored(log),
        onEvicted: (log, count) => {
          events.gap({ log, count, cause: 'evicted' });
          this.#flows?.door.onEvicted();
        },
        onQuarantined: (origin) => this.#flows?.door.onQuarantined(origin),
        onDamage: (log, path, count) => {
          this.#alarms.raise('spool-corrupt', { log, path, count }, path);
          if (count > 0) events.gap({ log, count, cause: 'unreadable' });
        },
      },
    });
    this.#spool = spool;
    const siteTime = new SiteTime(config.site.timezone);
    const texts = new LiveTexts({ path: config.texts, clock, logger, onProblem: textsAlarm(this.#alarms) });
    texts.start();
    this.#stops.push(() => texts.stop());
    const replies = new ReplyWriter({ texts, language: config.site.language });
    const leaseUntil = (serial: string) => this.#authorization?.leases.untilOf(serial);
    const queries = new BoxQueries({
      config,
      dataFolder,
      gatewayId: this.#id,
      boot: spool.boot,
      centreKey: () => this.#authorization?.centreKey,
      leaseUntil,
      texts,
      siteTime,
      alarms: this.#alarms,
      counters,
      fileSystem,
      clock,
      logger,
      announce: this.#options.announce,
    });
    this.#queries = queries;
    const authorization = new GatewayAuthorization({
      config,
      dataFolder,
      gatewayId: this.#id,
      spool,
      replies,
      siteTime,
      synchronization: () => this.#clockTrust.state,
      fileSystem,
      clock,
      counters,
      alarms: this.#alarms,
      logger,
      publish: (topic, body) => this.#broker?.deliver(topic, body),
    });
    authorization.handlePushes(pushKinds.accounts, (body) => queries.applyAccountPush(body));
    this.#authorization = authorization;
    const intake = new MachineIntake({
      channels,
      spool,
      clock,
      siteTime,
      counters,
      replies,
      authority: authorization,
      onStored: (report) => {
        queries.note(report);
        this.#flows?.note(report);
      },
    });
    const { mqtt } = config;
    const access = new Access({ clients: mqtt.clients, anonymous: mqtt.anonymous, clock });
    const flows = new GatewayFlows({
      config,
      dataFolder,
      gatewayId: this.#id,
      access,
      certificates: this.#certificates,
      alarms: this.#alarms,
      intake,
      spool,
      queries,
      leaseUntil,
      isUplinkConnected: () => this.#transport?.state.connected ?? false,
      broker: () => this.#broker,
      limits: this.#options.flowLimits ?? {},
      counters,
      clock,
      logger,
    });
    this.#flows = flows;
    // The spool wants to know it when it reckons how long the box was off.
    const clockTrust = this.#clockTrust.start();
    this.#stops.push(() => this.#clockTrust.stop());
    await this.#startHttp(intake, access);
    // Should the start fail: the server closes when all is answered, and early queries wait to be.
    this.#stops.push(() => authorization.close());
    await clockTrust;
    await spool.open();
    this.#stops.push(() => spool.close());
    for (const [reason, count] of Object.entries(spool.status.counters)) counters.reportsRefused.set(reason, count);
    events.forwardAlarms();
    if (mqtt.anonymous)
      this.#alarms.raise('mqtt-anonymous', { next: 'set mqtt.anonymous to false and list mqtt.clients' });

    await queries.start();
    this.#stops.push(() => queries.stop());
    const watch = clock.every(watchEveryMs, () => events.watchLanes());
    this.#stops.push(() => watch.cancel());

    const upstream = chooseUpstream(config.upstream, { dataFolder, fileSystem }, this.#certificates);
    this.#transport = upstream && (await this.#createTransport(upstream, [...channels.keys()]));
    this.#stops.push(() => authorization.close());
    await authorization.open(this.#transport, () => this.#forwarder);
    this.#certificates.start();
    this.#stops.push(() => this.#certificates.stop());
    if (this.#transport !== undefined) {
      this.#forwarder = gatewayForwarder({
        config,
        spool,
        transport: authorization.share(this.#transport),
        clock,
        logger,
        alarms: this.#alarms,
        counters,
        gatewayId: this.#id,
        channels,
        onDelivered: (origin) => flows.door.onDelivered(origin),
      });
    }
    flows.start();
    this.#stops.push(() => flows.stop());
    await this.#startBroker(
      intake,
      access,
      flows,
      [...channels.values()].filter(({ owner }) => owner === 'machine').map(({ name }) => name),
    );
    const control = new ControlSocket({
      path: controlSocketPath(dataFolder),
      answer: (request) =>
        queries.administer(request) ??
        (isDevicesRequest(request) ? flows.engine.devices(request) : undefined) ??
        (isAuthorizationRequest(request) ? administerAuthorization(authorization.state, request) : undefined) ??
        administer(spool, request as SpoolRequest, clock, (record) => this.#forwarder?.onRequeued(record)),
    });
    if (this.#forwarder !== undefined) {
      const forwarder = this.#forwarder;
      await forwarder.start();
      this.#stops.push(() => forwarder.stop());
    }
    // It counts what stands aside, which nobody may add to meanwhile.
    await control.start();
    this.#stops.push(() => control.stop());
    await flows.engine.start();
    this.#stops.push(() => flows.engine.stop());
    logger.info({ id: this.#id, ...this.ports, upstream: upstream && redactUrl(upstream.url) }, 'the gateway runs');
  }

  async #startHttp(intake: MachineIntake, access: Access): Promise<void> {
    const { config } = this.#options;
    const metrics = gatewayMetrics(this.#counters, () => ({
      spool: this.#spool!,
      transport: this.#transport,
      forwarder: this.#forwarder,
      broker: this.#broker,
      authorization: this.#authorization,
      flows: this.#flows,
      alarms: this.#alarms,
      certificates: this.#certificates,
    }));
    this.#http = gatewayHttp({
      ...this.#doorOptions(intake, access),
      health: () =>
        gatewayHealth({
          state: this.#state,
          id: this.#id,
          spool: this.#spool,
          transport: this.#transport,
          forwarder: this.#forwarder,
          authorization: this.#authorization?.health,
          flows: this.#flows?.engine.state,
          recent: this.#queries?.state,
          alarms: this.#alarms,
          config,
        }),
      metrics,
      routes: [(app) => this.#queries!.routes(app)],
    });
    await this.#http.start();
    this.#stops.push(() => this.#http!.stop());
  }

  async #startBroker(
    intake: MachineIntake,
    access: Access,
    flows: GatewayFlows,
    channels: readonly string[],
  ): Promise<void> {
    const broker = gatewayBroker({ ...this.#doorOptions(intake, access), flows, channels });
    if (broker === undefined) return;
    this.#broker = broker;
    await broker.start();
    this.#stops.push(() => broker.stop());
  }

  #doorOptions(intake: MachineIntake, access: Access) {
    const { config, clock, logger } = this.#options;
    return { config, certificates: this.#certificates, access, intake, counters: this.#counters, clock, logger };
  }

  async #createTransport(upstream: Upstream, channels: readonly string[]): Promise<UplinkTransport> {
    const { config, clock, logger } = this.#options;
    const { replies, queueType } = config.upstream;
    return createTransport({
      ...upstream,
      replies,
      queueType,
      gatewayId: this.#id,
      channels,
      clock,
      logger: logger.child({ part: 'uplink' }),
    });
  }
}
