/** Random histories of a spool: made from a seed, run, and cut short when one fails. */
import { Random } from '../../support/random.ts';
import { type Operation, operations } from './operations.ts';
import { World } from './world.ts';

const weights: Readonly<Record<Operation['kind'], number>> = {
  burst: 24,
  appends: 10,
  loops: 5,
  reads: 6,
  drain: 8,
  moves: 8,
  tick: 8,
  verify: 4,
  faults: 4,
  fillDisk: 2,
  heal: 6,
  close: 4,
  kill: 2,
  power: 2,
  killDuring: 5,
  powerDuring: 6,
};

export function makeHistory(seed: number): Operation[] {
  const random = new Random(seed);
  const kinds = Object.entries(weights).flatMap(([kind, weight]) => Array<string>(weight).fill(kind));
  return Array.from({ length: random.between(5, 50) }, () => ({
    kind: random.pick(kinds) as Operation['kind'],
    seed: random.fork(),
  }));
}

/** Rejects with the first violation. */
export async function runHistory(seed: number, history: readonly Operation[]): Promise<void> {
  const world = new World(seed);
  let unhandled: unknown;
  const onUnhandled = (error: unknown) => {
    unhandled ??= error;
  };
  process.on('unhandledRejection', onUnhandled);
  try {
    await world.reopen(true);
    for (const { kind, seed: details } of history) {
      await operations[kind](world, new Random(details));
      world.check();
      if (unhandled !== undefined) throw unhandled;
    }
    await operations.verify(world);
    await operations.heal(world, world.random);
    await operations.close(world, world.random);
  } finally {
    process.off('unhandledRejection', onUnhandled);
  }
}

export interface Failure {
  readonly seed: number;
  readonly history: readonly Operation[];
  readonly error: unknown;
}

/** Runs histories of the seeds `first` and following; resolves with the first that fails, cut short. */
export async function findFailure(first: number, count: number, untilMs: number): Promise<[number, Failure?]> {
  for (let done = 0; done < count; done++) {
    if (performance.now() > untilMs) return [done];
    const seed = first + done;
    const history = makeHistory(seed);
    const error = await errorOf(seed, history);
    if (error !== undefined) return [done, await shrink({ seed, history, error })];
  }
  return [count];
}

async function errorOf(seed: number, history: readonly Operation[]): Promise<unknown> {
  try {
    await runHistory(seed, history);
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Delta debugging: leaves out ever smaller parts as long as it still fails. */
async function shrink(failure: Failure): Promise<Failure> {
  let best = failure;
  for (let size = Math.ceil(best.history.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let start = 0; start < best.history.length; ) {
      const history = best.history.toSpliced(start, size);
      const error = await errorOf(best.seed, history);
      if (error !== undefined) best = { seed: best.seed, history, error };
      else start += size;
    }
  }
  return best;
}

/** What to print of a failure, so that it can be run again. */
export function describeFailure({ seed, history, error }: Failure): string {
  const text = error instanceof Error ? error.stack : String(error);
  return `seed ${seed}, ${history.length} operations: ${JSON.stringify(history)}\n${text}`;
}
