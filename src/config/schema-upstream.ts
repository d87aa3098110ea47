import { choice, duration, file, integer, serverUrl } from './readers.ts';
import { field, group, optional } from './table.ts';

/** Certificates towards a server; the server's own certificate is always verified. */
export const clientTlsKeys = {
  ca: optional(file(), {
    description:
      "Authorities that the server's certificate may be signed by, PEM. Without it, the well-known public ones.",
  }),
  certificate: optional(file(), { description: 'Certificate chain that is shown to the server, PEM.' }),
  key: optional(file(), { description: 'Private key of that certificate, PEM.' }),
};

/** Keys of `upstream`. */
export const upstreamKeys = {
  url: optional(serverUrl('amqps', 'amqp', 'mqtts', 'mqtt'), {
    description:
      'RabbitMQ (`amqps://user:password@host:5671/vhost`) or an MQTT broker. Without it everything stays on disk.',
  }),
  tls: group('Certificates for `amqps` and `mqtts`. Verification cannot be switched off.', clientTlsKeys),
  acknowledge: field(choice('stored', 'broker'), 'stored', {
    description:
      'When a report leaves the disk: `stored`, when the centre has answered that it is in the database; `broker`, when RabbitMQ has it (for a centre that sends no answers; not with MQTT).',
  }),
  replies: field(choice('per-device', 'per-gateway'), 'per-device', {
    description:
      "Where the centre's answers are expected over AMQP: on one queue per channel and machine, or on one queue for the gateway (fleets; needs Holdfast's own centre).",
  }),
  queueType: field(choice('classic', 'quorum'), 'classic', {
    description:
      'Type of a channel queue that does not exist yet. `quorum` shuts out machines that declare it themselves over AMQP.',
  }),
  receiptTimeout: field(duration('100ms', '10m'), '3s', {
    as: 'receiptTimeoutMs',
    description:
      "How long an answer of the centre may take, from the broker's confirm, before the oldest report is sent again.",
  }),
  window: optional(integer(1, 65_535), {
    description:
      'Reports that may be under way without an answer. Without it 512, and 2048 with `acknowledge: broker`, where no slow database can be flooded with repeats.',
  }),
};
