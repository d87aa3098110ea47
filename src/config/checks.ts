import { builtInChannels } from '../protocols/machines/index.ts';
import { flowEngineClient, reservedClients } from './client-names.ts';
import type { Origin } from './evaluate.ts';
import type { Mistakes } from './mistakes.ts';
import { isLoopbackHost } from './networks.ts';
import type { GatewayConfig } from './schema.ts';

/** Adds mistakes that no key shows alone. Only for a configuration whose keys are all right by themselves. */
export function checkTogether(config: GatewayConfig, origins: ReadonlyMap<string, Origin>, mistakes: Mistakes): void {
  const add = (key: string, problem: string) => mistakes.add({ ...origins.get(key), key, problem });
  const { upstream, central, spool } = config;

  if (isMqtt(upstream.url) && upstream.acknowledge === 'broker') {
    add(
      'upstream.acknowledge',
      'broker is not allowed with an MQTT upstream, where a broker acknowledges what it could not deliver; allowed: stored, or an amqps:// URL',
    );
  }
  for (const [key, tls] of [
    ['upstream.tls', upstream.tls],
    ['central.brokerTls', central.brokerTls],
  ] as const) {
    if (tls.certificate && !tls.key) add(`${key}.certificate`, `needs ${key}.key as well`);
    if (tls.key && !tls.certificate) add(`${key}.key`, `needs ${key}.certificate as well`);
  }
  if (central.mongodb && central.embedded) add('central.embedded', 'is not allowed together with central.mongodb');

  const logs = {
    ...prefixKeys('spool.lanes.', spool.lanes),
    'spool.deferred': spool.deferred,
    'spool.quarantine': spool.quarantine,
  };
  for (const [key, { quotaBytes }] of Object.entries(logs)) {
    // One segment is written while another is still read; with fewer a lane would stand still.
    if (quotaBytes < 2 * spool.segmentSizeBytes) add(`${key}.quota`, 'must be at least twice spool.segmentSize');
  }
  repeated(config.mqtt.clients.map((client) => client.username)).forEach((index) => {
    add(`mqtt.clients.${index}.username`, 'stands for another client already');
  });
  config.mqtt.clients.forEach(({ username, allow }, index) => {
    const key = `mqtt.clients.${index}.username`;
    if (username === flowEngineClient)
      add(key, `${username} is the name of the box's own flow engine; allowed: another`);
    if (allow !== undefined && reservedClients.includes(username)) {
      add(key, `a client with "allow" cannot be named ${username}, which is a topic of flows; allowed: another name`);
    }
  });
  repeated(config.channels.map((channel) => channel.name)).forEach((index) => {
    add(`channels.${index}.name`, 'stands for another channel already');
  });
  config.channels.forEach(({ name }, index) => {
    const key = `channels.${index}.name`;
    if (builtInChannels.some((channel) => channel.name === name)) add(key, `${name} is a built-in channel`);
    if (name.endsWith('_res'))
      add(key, `${name} would be taken for a reply; allowed: a name that does not end in _res`);
  });
  checkPorts(config, add);
}

function checkPorts({ http, mqtt, flows }: GatewayConfig, add: (key: string, problem: string) => void): void {
  const ports: [string, number][] = [['http.port', http.port]];
  for (const extra of http.alsoListen) ports.push(['http.alsoListen', extra]);
  if (http.tls) ports.push(['http.tlsPort', http.tlsPort]);
  if (mqtt.port !== 0) ports.push(['mqtt.port', mqtt.port]);
  if (mqtt.tls) ports.push(['mqtt.tls.port', mqtt.tls.port]);
  if (flows.enabled && flows.editor.enabled) ports.push(['flows.editor.port', flows.editor.port]);
  for (const index of repeated(ports.map(([, port]) => port))) {
    const [key, port] = ports[index]!;
    const first = ports.find((other) => other[1] === port)![0];
    add(key, `${port} is used by ${first} already; allowed: another port`);
  }
}

/** What is allowed and yet probably not meant, or weaker than it could be. */
export function warningsOf(config: GatewayConfig): string[] {
  const { mqtt, upstream, spool, central } = config;
  const warnings: string[] = [];
  if (mqtt.anonymous) warnings.push('mqtt.anonymous: anybody on the network of the broker may publish and read');
  // A file with a broker for the centre is a centre's.
  const isBox = central.broker === undefined;
  if (isBox && !mqtt.anonymous && mqtt.clients.length === 0 && (mqtt.port !== 0 || mqtt.tls)) {
    warnings.push('mqtt.clients: there is none, so no machine can connect');
  }
  if (isPlain(upstream.url)) warnings.push('upstream.url: reports and the password cross the network without TLS');
  if (isPlain(central.broker)) warnings.push('central.broker: reports and the password cross the network without TLS');
  if (/^(amqp|mqtt):/.test(upstream.url ?? '') && Object.values(upstream.tls).some(Boolean)) {
    warnings.push('upstream.tls: has no effect, because upstream.url is without TLS');
  }
  if (isMqtt(upstream.url)) {
    if (upstream.replies !== 'per-device') warnings.push('upstream.replies: has no effect with an MQTT upstream');
    if (upstream.queueType !== 'classic') warnings.push('upstream.queueType: has no effect with an MQTT upstream');
  }
  for (const [name, lane] of Object.entries(spool.lanes)) {
    if (lane.syncEveryMs === 0) continue;
    warnings.push(
      `spool.lanes.${name}.syncEveryMs: reports wait up to ${lane.syncEveryMs} ms for their acknowledgement`,
    );
  }
  return warnings;
}

function isMqtt(url: string | undefined): boolean {
  return url !== undefined && /^mqtts?:/.test(url);
}

function isPlain(url: string | undefined): boolean {
  return url !== undefined && /^(amqp|mqtt):/.test(url) && !isLoopbackHost(new URL(url).hostname);
}

/** The places of the values that stood before. */
function repeated(values: readonly (string | number)[]): number[] {
  return values.flatMap((value, index) => (values.indexOf(value) < index ? [index] : []));
}

function prefixKeys<T>(prefix: string, values: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [prefix + key, value]));
}
