import type { GatewayConfig } from '../config/index.ts';
import { HoldfastError } from '../errors.ts';
import type { Certificates, FileSystem } from '../platform/index.ts';
import { type BrokerKeys, type TlsSource, upstreamBrokerKeys, watchedTls } from '../uplink/index.ts';
import { readUpstream } from './enrolment-files.ts';

/** The way to the centre, from wherever it is known. */
export interface Upstream {
  readonly url: string;
  readonly tls: TlsSource;
  readonly keys: BrokerKeys;
}

/** Where messages say that what is wrong stands. */
const enrolledKeys: BrokerKeys = { url: 'secrets/upstream.json (enrol again)', tls: 'secrets/upstream.json' };

/**
 * The way to the centre that a gateway takes: `upstream.url`, else what it was given when it was enrolled; undefined
 * without either. `upstream.tls` goes before the certificates that came with the enrolment.
 *
 * @throws HoldfastError `configuration-invalid` for what cannot be used.
 */
export function chooseUpstream(
  { url, tls, acknowledge }: GatewayConfig['upstream'],
  place: { readonly dataFolder: string; readonly fileSystem: FileSystem },
  certificates: Certificates,
): Upstream | undefined {
  if (url !== undefined)
    return { url, tls: watchedTls(certificates, url, tls, upstreamBrokerKeys), keys: upstreamBrokerKeys };
  const enrolled = readUpstream(place);
  if (enrolled === undefined) return undefined;
  if (acknowledge === 'broker' && enrolled.url.startsWith('mqtt')) {
    throw new HoldfastError(
      'configuration-invalid',
      'upstream.acknowledge: broker is not allowed with the MQTT upstream that this box was enrolled for; allowed: stored',
    );
  }
  if (Object.values(tls).some((file) => file !== undefined)) {
    const keys = { url: enrolledKeys.url, tls: upstreamBrokerKeys.tls };
    return { url: enrolled.url, tls: watchedTls(certificates, enrolled.url, tls, keys), keys };
  }
  const { ca, certificate, key } = enrolled;
  certificates.watchEnd(enrolledKeys.tls, { ca, certificate, key });
  return { url: enrolled.url, tls: () => ({ ca, certificate, key }), keys: enrolledKeys };
}
