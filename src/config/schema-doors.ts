import { privateNetworks } from './networks.ts';
import { choice, file, flag, host, integer, listOf, network, port, portOrOff, size, text } from './readers.ts';
import { field, groupList, optional, optionalGroup, required } from './table.ts';

const identity = text({
  allowed: '1 to 64 of the characters A-Z a-z 0-9 _ -',
  matches: (name) => /^[A-Za-z0-9_-]{1,64}$/.test(name),
});

const serial = text({
  allowed: '* for every machine, or 1 to 64 of the characters A-Z a-z 0-9 _ -',
  matches: (name) => name === '*' || /^[A-Za-z0-9_-]{1,64}$/.test(name),
});

/** Keys of `http`. */
export const httpKeys = {
  host: field(host(), '0.0.0.0', { description: 'Address to listen on.' }),
  port: field(port(), 8080, { description: 'Port for plain HTTP.' }),
  alsoListen: field(listOf(port()), [], {
    description: 'More ports for plain HTTP, for clients that were written for another port (80, 8081, 8501).',
  }),
  tls: optionalGroup('HTTPS. Without it there is plain HTTP only.', {
    certificate: required(file(), { description: 'Certificate chain, PEM.' }),
    key: required(file(), { description: 'Private key, PEM.' }),
  }),
  tlsPort: field(port(), 8443, { description: 'Port for HTTPS; used when `http.tls` is given.' }),
  plainFrom: field(listOf(network()), privateNetworks, {
    description: 'Networks from which a password is taken over plain HTTP. This computer itself always may.',
  }),
  metricsToken: optional(
    text({ allowed: 'a text of 16 characters or more', matches: (t) => t.length >= 16, secret: true }),
    {
      description:
        'Bearer token that opens `/metrics` to callers on other computers. Without one only this computer may.',
    },
  ),
  maxBody: field(size('1KiB', '16MiB'), '1MiB', {
    as: 'maxBodyBytes',
    description: 'Largest body of a request; a larger one is answered 413.',
  }),
};

/** Keys of `mqtt`. */
export const mqttKeys = {
  host: field(host(), '0.0.0.0', { description: 'Address to listen on, with and without TLS.' }),
  port: field(portOrOff(), 1883, { description: 'Port for MQTT without TLS.' }),
  anonymous: field(flag(), false, {
    description:
      'true: anybody on the network may publish and read, for a closed network only. Shown as a warning everywhere.',
  }),
  tls: optionalGroup('MQTT over TLS.', {
    port: field(port(), 8883, { description: 'Port for MQTT over TLS.' }),
    certificate: required(file(), { description: 'Certificate chain, PEM.' }),
    key: required(file(), { description: 'Private key, PEM.' }),
    ca: optional(file(), {
      description: 'Authorities, PEM. When given, a client must show a certificate that one of them signed.',
    }),
  }),
  clients: groupList('Credentials of machines and of programs; the same serve HTTP Basic.', {
    username: required(identity, { description: 'User name; for a machine its serial number.' }),
    password: required(text({ allowed: 'a text that is not empty', secret: true }), {
      description: 'Password, plain or as `holdfast user hash` prints it.',
    }),
    serials: optional(listOf(serial), {
      description:
        'Serial numbers of the machines whose reports it may write; `*` for all. Without it only the user name itself.',
    }),
    allow: optional(listOf(choice('report', 'authorize', 'query')), {
      description:
        "For a Node-RED on another computer: what its flows may do through the nodes of `@holdfast/node-red`. `query` also lets them read what machines send. A machine's credential has none of it.",
    }),
  }),
  plainFrom: field(listOf(network()), privateNetworks, {
    description: 'Networks from which a password is taken without TLS. This computer itself always may.',
  }),
  maxPacket: field(size('4KiB', '16MiB'), '1MiB', {
    as: 'maxPacketBytes',
    description: 'Largest packet; a larger one closes the connection and is counted.',
  }),
  maxConnections: field(integer(1, 100_000), 1000, { description: 'Connections at once, TLS or not.' }),
  maxInflight: field(integer(1, 65_535), 256, {
    description: 'Messages of one client that may be under way to the disk; the connection is not read meanwhile.',
  }),
  ratePerClient: field(integer(0, 1_000_000, ' (0 = no limit)'), 1000, {
    description: 'Messages a second of one client, averaged; a faster client is read more slowly.',
  }),
};
