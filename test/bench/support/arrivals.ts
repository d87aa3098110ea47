import { setTimeout as sleep } from 'node:timers/promises';
import type { Queue } from './queue.ts';

/**
 * Messages per second at which `count` messages arrive in an empty queue that nobody reads, from the first tenth to the
 * last: connecting, starting and warming up are not what is compared. Measured the same way whoever sends them.
 */
export async function arrivalRate(queue: Queue, count: number, onWarm: () => void = () => {}): Promise<number> {
  return await rateOf(() => queue.length(), count, onWarm);
}

/** The same for any growing number. Rejects when it stands still for 30 s. */
export async function rateOf(
  read: () => Promise<number>,
  count: number,
  onWarm: () => void = () => {},
): Promise<number> {
  let start: { at: number; length: number } | undefined;
  let last = { at: performance.now(), length: 0 };
  for (;;) {
    const length = await read();
    const at = performance.now();
    if (length > last.length) last = { at, length };
    else if (at - last.at > 30_000) throw new Error(`nothing more came after ${length} of ${count} messages`);
    if (start === undefined && length >= count / 10) {
      start = { at, length };
      onWarm();
    }
    if (length >= count) return ((length - start!.length) / (at - start!.at)) * 1000;
    await sleep(25);
  }
}
