import { suite } from 'uvu';
import { changingContract } from './contract/changing.ts';
import { findingContract } from './contract/finding.ts';
import { insertingContract } from './contract/inserting.ts';
import { refusingContract } from './contract/refusing.ts';
import type { Each, StoreUnderTest } from './contract/support.ts';

/** What every DocumentStore must do. `open` is called once for each test. */
export function storeContract(name: string, open: () => Promise<StoreUnderTest>, close: () => Promise<void>): void {
  const test = suite(`document store: ${name}`);
  const each: Each = (title, body) =>
    test(title, async () => {
      const opened = await open();
      try {
        await body(opened);
      } finally {
        await opened.store.stop();
      }
    });
  for (const part of [insertingContract, findingContract, changingContract, refusingContract]) part(each);
  test.after(close);
  test.run();
}
