import { loadConfig } from '../../src/config/index.ts';
import { Gateway } from '../../src/gateway.ts';
import { silentLogger, systemClock } from '../../src/platform/index.ts';
import { Site, type SiteOptions } from '../../src/simulate/index.ts';
import { freePorts, temporaryFolder } from '../support/temporary.ts';

/** A place for gateways, one after the other: its ports and its folder stay. */
export class GatewayPlace {
  readonly httpPort: number;
  readonly mqttPort: number;
  readonly folder = temporaryFolder('holdfast-gateway-');

  static async find(): Promise<GatewayPlace> {
    return new GatewayPlace(await freePorts(2));
  }

  constructor([httpPort, mqttPort]: readonly number[]) {
    this.httpPort = httpPort!;
    this.mqttPort = mqttPort!;
  }

  /** A gateway without an upstream, for the user `site` with the password `secret`; not started. */
  gateway(): Gateway {
    const { config } = loadConfig({
      environment: {
        HOLDFAST_HTTP_HOST: '127.0.0.1',
        HOLDFAST_HTTP_PORT: String(this.httpPort),
        HOLDFAST_MQTT_HOST: '127.0.0.1',
        HOLDFAST_MQTT_PORT: String(this.mqttPort),
        // In a container there is nothing to tell boxes by, and an alarm about it would be a report more.
        HOLDFAST_AUTHORIZATION_HARDWARE_IDENTITY: 'the box of a test',
        HOLDFAST_MQTT_CLIENTS: '[{username: site, password: secret, serials: ["*"]}]',
      },
    });
    return new Gateway({ config, dataFolder: this.folder.path, clock: systemClock(), logger: silentLogger });
  }
}

/** A site of three machines without pauses, and what it said was wrong. */
export function createSite(options: Partial<SiteOptions> & Pick<SiteOptions, 'url'>): { site: Site; wrong: string[] } {
  const wrong: string[] = [];
  const site = new Site({
    machines: 3,
    serialPrefix: 'sim-',
    username: 'site',
    password: 'secret',
    speed: 0,
    layers: 4,
    seed: 1,
    timezone: 'Asia/Shanghai',
    clock: systemClock(),
    onWrong: (sentence) => wrong.push(sentence),
    ...options,
  });
  return { site, wrong };
}

/** Waits until the site's `count` reports are answered and stops it; fails after 20 s. */
export async function finish(site: Site): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within 20 s: ${JSON.stringify(site.figures)}`)), 20_000);
  });
  try {
    await Promise.race([site.ended(), tooLate]);
  } finally {
    clearTimeout(timer);
    await site.stop();
  }
}
