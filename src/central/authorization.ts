import { MachineRegistry } from '../documents/index.ts';
import { type Clock, type FileSystem, type Logger, nodeFileSystem, type SiteTime } from '../platform/index.ts';
import type { ReplyWriter } from '../protocols/machines/index.ts';
import type { DocumentStore } from '../store/index.ts';
import { AuthorizationDesk } from './authorization-desk.ts';
import { Authorizations } from './authorizations.ts';
import { ControlPush, type Courier } from './control-push.ts';
import { Gateways } from './gateways.ts';
import type { CentralCounters } from './metrics.ts';
import { CentreKey } from './signing-key.ts';

/** What a centre's authorization is made of. */
export interface AuthorizationParts {
  readonly store: DocumentStore;
  /** `central.signingKey`. */
  readonly configuredKey: string | undefined;
  readonly dataFolder: string;
  readonly fileSystem?: FileSystem;
  /** Where control messages go; asked at each message. */
  readonly courier: () => Courier;
  readonly siteTime: SiteTime;
  readonly replies: ReplyWriter;
  readonly counters: CentralCounters;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The parts that have to do with authorization, wired with each other. */
export interface CentralAuthorization {
  readonly registry: MachineRegistry;
  readonly gateways: Gateways;
  /** To be loaded before anything else is used. */
  readonly key: CentreKey;
  /** Messages to gateways, also those of other parts. */
  readonly push: ControlPush;
  readonly authorizations: Authorizations;
  readonly desk: AuthorizationDesk;
}

/** Wires them; nothing is opened. */
export function createAuthorization(parts: AuthorizationParts): CentralAuthorization {
  const { store, configuredKey, dataFolder, fileSystem = nodeFileSystem, courier, counters, logger, clock } = parts;
  const { siteTime, replies } = parts;
  const registry = new MachineRegistry({ store, logger });
  const gateways = new Gateways({ store, clock });
  const key = new CentreKey({ configured: configuredKey, dataFolder, fileSystem });
  const push: ControlPush = new ControlPush({
    store,
    gateways,
    courier: { deliver: (gateway, via, body) => courier().deliver(gateway, via, body) },
    counters,
    clock,
    logger,
    before: () => authorizations.sweep(),
  });
  const shared = { store, registry, siteTime, clock, logger };
  const authorizations: Authorizations = new Authorizations({ ...shared, messenger: { key, gateways, push } });
  const desk = new AuthorizationDesk({ ...shared, gateways, key, replies, counters });
  return { registry, gateways, key, push, authorizations, desk };
}
