import type { Test } from 'uvu';
import { defaultLoginLimits } from '../../src/accounts/index.ts';
import type { DocumentStore } from '../../src/store/index.ts';
import {
  base,
  error,
  errorCollection,
  process,
  processCollection,
  type ServerOptions,
  sqlite,
  startQueries,
  storeReports,
} from './support.ts';

/** Limits of logins that no test runs into. */
export const lenient = {
  perAddress: { ...defaultLoginLimits.perAddress, free: 1e9 },
  perAccount: { ...defaultLoginLimits.perAccount, free: 1e9 },
  tokens: { ...defaultLoginLimits.tokens, free: 1e9 },
};

/**
 * How the tests of a suite start servers that end with their test: of two machines `sn1` belongs to the customer 我, and
 * the account `me` may ask for that customer alone.
 */
export function guarded(test: Test) {
  const ends: (() => Promise<void>)[] = [];
  test.after.each(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  return async function start(
    options: ServerOptions = {},
    wrap: (store: DocumentStore) => DocumentStore = (store) => store,
  ) {
    const store = await sqlite.open();
    ends.push(() => store.stop());
    const server = await startQueries(wrap(store), options);
    ends.push(() => server.http.stop());
    await storeReports(store, 'base', [base('sn1', '我', '机器'), base('sn2', '别人', '机器')]);
    await storeReports(store, processCollection, [process('sn1', 0), process('sn2', 0)]);
    await storeReports(store, errorCollection, [error('sn1', 0, '故障', '甲'), error('sn2', 0, '故障', '乙')]);
    await server.addAccount('me', ['我'], 'authorizer');
    return server;
  };
}
