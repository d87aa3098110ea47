import type { KeyObject } from 'node:crypto';
import { AccountPublisher, type Accounts } from '../accounts/index.ts';
import { machineCollection, queryKeys } from '../documents/index.ts';
import type { Clock, Logger } from '../platform/index.ts';
import type { DocumentStore } from '../store/index.ts';
import type { ControlPush } from './control-push.ts';
import { deviceGatewayCollection, type Gateways } from './gateways.ts';

/** The key that a gateway's accounts have in the outbox: a newer list takes the place of one that waits. */
const outboxKey = 'accounts';
/** Machines that are looked up at once. */
const slice = 1000;

/** Brings accounts to the gateways that saw machines of their customers, through the outbox. Started by the caller. */
export function accountPublisher(options: {
  readonly accounts: Accounts;
  readonly store: DocumentStore;
  readonly gateways: Gateways;
  readonly push: ControlPush;
  readonly privateKey: () => KeyObject;
  readonly clock: Clock;
  readonly logger: Logger;
}): AccountPublisher {
  const { store, gateways, push } = options;
  const publisher = new AccountPublisher({
    ...options,
    gateways: () => gateways.gateways(),
    async customersAt(gateway) {
      const serials = await store.distinct(deviceGatewayCollection, 'serial', { gateway });
      const customers = new Set<string>();
      for (let start = 0; start < serials.length; start += slice) {
        const filter = { _id: { oneOf: serials.slice(start, start + slice) } };
        for (const name of await store.distinct(machineCollection, queryKeys.customer, filter)) customers.add(name);
      }
      return [...customers];
    },
    send: (gateway, version, body) => push.push(gateway, outboxKey, body, BigInt(version)),
  });
  gateways.onNewGateway(async (gateway) => publisher.touch(gateway));
  gateways.onMachine((gateway) => publisher.touch(gateway));
  return publisher;
}
