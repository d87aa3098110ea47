import { choice, file, folder, host, integer, port, serverUrl } from './readers.ts';
import { clientTlsKeys } from './schema-upstream.ts';
import { field, group, optional, optionalGroup, required } from './table.ts';

/** Keys of `central`. */
export const centralKeys = {
  broker: optional(serverUrl('amqps', 'amqp'), { description: 'RabbitMQ. Required by `holdfast central`.' }),
  brokerTls: group('Certificates for `amqps`. Verification cannot be switched off.', clientTlsKeys),
  mongodb: optional(serverUrl('mongodb', 'mongodb+srv'), {
    description: 'A server of the MongoDB protocol; its TLS options stand in the URL.',
  }),
  embedded: optional(folder(), {
    description: 'Instead of `mongodb`: a folder that holds the documents. For trying out, not for a fleet.',
  }),
  http: group("The centre's HTTP server.", {
    host: field(host(), '0.0.0.0', { description: 'Address to listen on.' }),
    port: field(port(), 8090, { description: 'Port.' }),
    tls: optionalGroup('HTTPS in the place of HTTP, on the same port.', {
      certificate: required(file(), { description: 'Certificate chain, PEM.' }),
      key: required(file(), { description: 'Private key, PEM.' }),
    }),
  }),
  queueType: field(choice('classic', 'quorum'), 'classic', {
    description: 'Type of a channel queue that does not exist yet; the same as `upstream.queueType` of the gateways.',
  }),
  signingKey: optional(file(), {
    description:
      'Ed25519 private key (PEM) that grants are signed with, the same for all copies of the centre. Without it, one is made at the first start and kept in `secrets/grant-signing.key` of the data folder.',
  }),
  prefetch: field(integer(1, 65_535), 2000, {
    description: 'Reports that RabbitMQ hands over before they are stored.',
  }),
  batchSize: field(integer(1, 10_000), 1000, { description: 'Most documents of one insert.' }),
};
