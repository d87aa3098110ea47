import { choice, file, flag, host, listOf, port, size, text } from './readers.ts';
import { field, group, optional, optionalGroup, type Reader, required } from './table.ts';

/** Node-RED's own nodes that a flow has only when `flows.allowNodes` names them. */
export const withheldNodes = [
  'exec',
  'file',
  'watch',
  'tcp',
  'udp',
  'websocket',
  'http-in',
  'http-proxy',
  'html',
] as const;

/** The name of a ready-made flow, as it is, or the path of a file, absolute. */
const readyMade: Reader<string> = {
  allowed: 'the name of a folder in `flows/` such as printer-line, or the path of a JSON file that exists',
  fromText: (value) => value,
  read: (raw, context) => (typeof raw === 'string' && /^[A-Za-z0-9_-]+$/.test(raw) ? raw : file().read(raw, context)),
};

/** Keys of `flows`. */
export const flowsKeys = {
  enabled: field(flag(), true, {
    description:
      'false: no flow engine. With true it still only runs when there is a flow, a ready-made one is named, or the editor is enabled.',
  }),
  initial: optional(readyMade, {
    description: 'Ready-made flow that is put in place when the data folder has none yet. Never replaces a flow.',
  }),
  memoryLimit: field(size('128MiB', '4GiB'), '256MiB', {
    as: 'memoryLimitBytes',
    description: 'Memory (RSS) of the flow engine; over it, the engine alone is ended and started again.',
  }),
  allowNodes: field(listOf(choice(...withheldNodes)), [], {
    description:
      "Node-RED's own nodes that are withheld otherwise, because they reach files, programs or the network past the gateway (html: because it is heavy). http-in and websocket listen on the editor's port, under /flow, without a password.",
  }),
  board: optional(text({ allowed: 'a name of 1 to 64 characters', matches: (name) => name.length <= 64 }), {
    description: "Board profile for the nodes of serial ports and GPIO. Without one the box's own is found out.",
  }),
  palette: group('More nodes.', {
    install: field(flag(), false, {
      description: 'true: administrators may install nodes in the editor, from the internet. Needs npm on the box.',
    }),
  }),
  telemetry: field(flag(), false, {
    description: 'true: Node-RED tells its makers its version once a day, and the editor looks for a newer one.',
  }),
  editor: group("Node-RED's editor, behind the gateway's accounts.", {
    enabled: field(flag(), false, { description: 'true: the editor can be opened.' }),
    host: field(host(), '0.0.0.0', { description: 'Address to listen on.' }),
    port: field(port(), 1880, { description: 'Port for HTTP, or for HTTPS when `flows.editor.tls` is given.' }),
    tls: optionalGroup('HTTPS. Without it there is plain HTTP, with passwords only from `http.plainFrom`.', {
      certificate: required(file(), { description: 'Certificate chain, PEM.' }),
      key: required(file(), { description: 'Private key, PEM.' }),
    }),
  }),
};
