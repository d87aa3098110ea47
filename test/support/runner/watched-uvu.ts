/**
 * Stands in for `uvu` in a test file's process (child.ts redirects the import). It passes everything on to uvu and
 * keeps what uvu loses: errors that a hook throws (uvu returns from a `finally` and forgets them), suites whose
 * `.run()` was never called, and the name of the test that is running when the deadline comes.
 */
import { type Callback, type Test, suite as uvuSuite } from 'uvu';

export { exec } from 'uvu';

type Work = (context: never) => Promise<void> | void;

interface WatchedSuite {
  readonly name: string;
  /** Tests that no `.run()` has taken yet. */
  waiting: number;
}

/** Every suite that the file made. */
export const suites: WatchedSuite[] = [];
/** Errors of hooks, with the hook's name. */
export const hookErrors: { readonly hook: string; readonly error: unknown }[] = [];

/** Called with the name of each test before it runs. */
export const watcher = { onTest: (_name: string): void => {} };

/** uvu's `suite`, watched. */
export function suite<T = Record<string, unknown>>(name = '', state?: T): Test<T> {
  const real = uvuSuite<T>(name, state);
  const watched: WatchedSuite = { name, waiting: 0 };
  suites.push(watched);
  const label = name ? `${name} › ` : '';

  const wrapTest = (title: string, work: Callback<T>): Callback<T> => {
    watched.waiting++;
    return (context) => {
      watcher.onTest(label + title);
      return work(context);
    };
  };
  // An error of before and before.each must reach uvu, which then does not run the tests; one of the hooks that come
  // after is kept back from it, because it would drop the tests that are still to come.
  const wrapHook = (hook: string, register: (work: Callback<T>) => void, reachesUvu: boolean) => {
    return (work: Callback<T>) => {
      register(async (context) => {
        watcher.onTest(`${label}${hook}`);
        try {
          await (work as Work)(context as never);
        } catch (error) {
          if (hook !== 'before.each') hookErrors.push({ hook: `${label}${hook}`, error });
          if (reachesUvu) throw error;
        }
      });
    };
  };

  const test = ((title, work) => real(title, wrapTest(title, work))) as Test<T>;
  test.only = (title, work) => real.only(title, wrapTest(title, work));
  test.skip = (title, work) => real.skip(title, work);
  const before = wrapHook('before', (work) => real.before(work), true);
  const after = wrapHook('after', (work) => real.after(work), false);
  test.before = Object.assign(before, { each: wrapHook('before.each', (work) => real.before.each(work), true) });
  test.after = Object.assign(after, { each: wrapHook('after.each', (work) => real.after.each(work), false) });
  test.run = () => {
    watched.waiting = 0;
    real.run();
  };
  return test;
}

/** uvu's nameless suite, watched. */
export const test = suite();
