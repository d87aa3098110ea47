/** Waiting in tests: for what has to come as long as a busy computer needs, and for a promise of time more than once. */
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Resolves once `condition` holds; rejects with `what` when it has not by `withinMs`, which is long: a slow computer is
 * no failure. A condition that throws does not hold, and the last error is told. It is looked at
 * soon at first, then every `everyMs`; where a program is asked again and again, seldom, or the asking is what it is
 * busy with.
 */
export async function until(
  condition: () => unknown,
  what: string | (() => string) = String(condition),
  withinMs = 30_000,
  everyMs = 20,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  for (let pauseMs = 1; ; pauseMs = Math.min(2 * pauseMs, everyMs)) {
    let why = '';
    try {
      if (await condition()) return;
    } catch (error) {
      why = `\n${error instanceof Error ? error.message : String(error)}`;
    }
    if (performance.now() > deadline) {
      throw new Error(`not within ${withinMs} ms: ${typeof what === 'string' ? what : what()}${why}`);
    }
    await sleep(pauseMs);
  }
}

/** Time in which what must not come could come. Never for what has to come: that is `until`. */
export const pause = (ms: number): Promise<void> => sleep(ms);

/**
 * Resolves with the shortest time in ms of up to `tries` measurements, and with the first that is below `limitMs`. A
 * promise of time is broken when the program breaks it each time; once, it may be the computer that was busy.
 */
export async function shortest(limitMs: number, measure: () => Promise<number>, tries = 4): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let done = 0; done < tries && best >= limitMs; done++) best = Math.min(best, await measure());
  return best;
}
