import { logLevels } from '../platform/index.ts';
import { choice, file, text, timezone } from './readers.ts';
import { accountsKeys, queriesKeys } from './schema-accounts.ts';
import { authorizationKeys } from './schema-authorization.ts';
import { centralKeys } from './schema-central.ts';
import { httpKeys, mqttKeys } from './schema-doors.ts';
import { flowsKeys } from './schema-flows.ts';
import { spoolKeys } from './schema-spool.ts';
import { upstreamKeys } from './schema-upstream.ts';
import { field, group, groupList, optional, required, type ValueOf } from './table.ts';

/** What becomes part of topics and queue names. */
export const namePattern = /^[A-Za-z0-9_-]{1,64}$/;

const collectionPattern = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/;

const collectionName = text({
  allowed: '1 to 64 of the characters A-Z a-z 0-9 _ -, beginning with a letter or _',
  matches: (name) => collectionPattern.test(name),
});

/** Every key of the configuration. */
export const schema = group('', {
  gateway: group('This gateway.', {
    id: optional(
      text({ allowed: '1 to 64 of the characters A-Z a-z 0-9 _ -', matches: (id) => namePattern.test(id) }),
      {
        description:
          'Name of this gateway at the centre, unlike that of any other. Without one, `gw-` and ten random characters are drawn at the first start and kept in `secrets/gateway-id` of the data folder.',
      },
    ),
  }),
  site: group('Where the gateway stands.', {
    timezone: field(timezone(), 'Asia/Shanghai', {
      description: "Time zone of the times in machines' messages and in the gateway's answers.",
    }),
    language: field(choice('zh', 'en'), 'zh', {
      description: "Language of the gateway's answers to machines, and of what the nodes of flows show.",
    }),
  }),
  http: group('The HTTP server: reports over HTTP, `/healthz`, `/metrics`.', httpKeys),
  mqtt: group('The MQTT broker for the machines of the site.', mqttKeys),
  upstream: group('The way to the centre.', upstreamKeys),
  spool: group('The log on disk in which reports wait for the centre.', spoolKeys),
  channels: groupList("Additional channels: a site's own data, taken in and stored without a line of code.", {
    name: required(
      text({ allowed: '1 to 64 of the characters A-Z a-z 0-9 _ -', matches: (name) => namePattern.test(name) }),
      { description: 'Name of the channel: its MQTT topic and its queue.' },
    ),
    database: required(collectionName, { description: 'Database at the centre.' }),
    collection: required(collectionName, { description: 'Collection at the centre.' }),
    lane: field(choice('alarm', 'state', 'process', 'bulk'), 'process', {
      description:
        'Lane of the spool that its reports wait in. Changed while some wait, those in the former lane may be overtaken by later ones.',
    }),
  }),
  authorization: group("Answers to machines' queries for authorization.", authorizationKeys),
  flows: group('The flow engine: Node-RED in a process of its own.', flowsKeys),
  central: group('The other end: only for `holdfast central`.', centralKeys),
  accounts: group('Accounts of people, at the gateway and at the centre.', accountsKeys),
  queries: group('The HTTP queries, at the gateway and at the centre.', queriesKeys),
  log: group('The log, JSON lines on standard output.', {
    level: field(choice(...logLevels), 'info', { description: 'The least severe lines that are written.' }),
  }),
  texts: optional(file(), {
    description: 'A JSON file that replaces texts of the built-in catalogue, with `zh` and `en` for each id.',
  }),
});

/** The whole configuration: validated, defaults filled in, paths absolute, frozen. */
export interface GatewayConfig extends ValueOf<typeof schema> {}
