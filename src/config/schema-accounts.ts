import { choice, integer } from './readers.ts';
import { field } from './table.ts';

/** Keys of `accounts`. */
export const accountsKeys = {
  machineHash: field(choice('sha256', 'md5'), 'sha256', {
    description:
      'How operation software hashes a password before it sends it as `密码`; the same at the centre and at its gateways.',
  }),
};

/** Keys of `queries`. */
export const queriesKeys = {
  keep: field(integer(1, 100_000), 500, {
    description: 'Newest reports that the gateway keeps for queries, of each machine and channel.',
  }),
  keepInAll: field(integer(1, 10_000_000), 250_000, {
    description: 'Reports that the gateway keeps for queries in all; beyond that the oldest go.',
  }),
  ratePerSecond: field(integer(0, 10_000), 50, {
    description: 'Queries per second of one account on average; more are answered 429. 0 = no limit.',
  }),
};
