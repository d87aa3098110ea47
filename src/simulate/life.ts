/**
 * The life of a printer as its reports tell it (seed 000): started, initialized, base information once, then jobs of
 * preheating and layers, each spread and printed; now and then a pause, an error, a job that is left, rarely an
 * initialization that fails. Durations are a machine's own seconds; whoever lives it divides them by a speed.
 */
import type { LevelName, ProcessReport, StateName } from '../protocols/machines/index.ts';
import { between, pick, type Random } from './random.ts';
import samples from './samples.json' with { type: 'json' };

/** What a process report says beyond the machine's identity and the time. */
type ProcessContent = Omit<ProcessReport, 'serial' | 'time' | 'model' | 'name' | 'address' | 'state'> & {
  readonly state: StateName;
};

/** What is to be reported. */
export type Occurrence =
  | { readonly kind: 'base' }
  | { readonly kind: 'process'; readonly content: ProcessContent }
  | { readonly kind: 'error'; readonly level: LevelName; readonly description: string };

/** How many of the machine's seconds pass, and what happens then; to be asked when it does, because it has a time. */
export interface Step {
  readonly afterSeconds: number;
  readonly occurrence: () => Occurrence;
  /** The machine asks before it whether it may. */
  readonly needsPermission?: true;
}

/** What a life is made of. */
export interface LifeOptions {
  readonly random: Random;
  /** Layers of a job. */
  readonly layers: number;
  /** Site time, so many minutes ago, as the wire has it. */
  readonly minutesAgo: (minutes: number) => string;
}

const chances = { initializationFails: 0.03, error: 0.02, pause: 0.02, leave: 0.004 };

/** A life without end. */
export function* life(options: LifeOptions): Generator<Step, never> {
  const { random, minutesAgo } = options;
  // A hall of machines is not switched on in the same instant.
  let afterSeconds = between(random, 0, 300, 1);
  for (;;) {
    yield process(afterSeconds, () => ({ state: 'started', startedAt: minutesAgo(0) }));
    afterSeconds = between(random, 60, 300);
    if (random() < chances.initializationFails) {
      yield process(10, () => ({ state: 'initializationFailed', poweredAt: minutesAgo(0) }));
      yield error(1, 'fault', samples.initializationError);
      continue;
    }
    yield process(10, () => ({ state: 'initialized', poweredAt: minutesAgo(0) }));
    yield { afterSeconds: 2, occurrence: () => ({ kind: 'base' }) };
    for (let jobs = between(random, 1, 4); jobs > 0; jobs--) yield* job(options);
  }
}

function* job({ random, layers, minutesAgo }: LifeOptions): Generator<Step, void> {
  yield { ...process(between(random, 5, 60), { state: 'printStarted' }), needsPermission: true };
  const preheatMinutes = between(random, 3, 10);
  yield process(1, { state: 'preheating', preheatMinutes, preheatCelsius: between(random, 120, 180) });
  const actualMinutes = between(random, preheatMinutes * 0.8, preheatMinutes * 1.1, 1);
  yield process(actualMinutes * 60, { state: 'preheated', preheatMinutes: actualMinutes });
  let minutes = 0;
  for (let layer = 1; layer <= layers; layer++) {
    if (random() < chances.leave) return yield process(1, { state: 'printLeft' });
    if (random() < chances.pause) {
      yield process(1, { state: 'printPaused' });
      yield process(between(random, 30, 300), { state: 'printResumed' });
    }
    if (random() < chances.error) yield* trouble(random);
    yield process(1, { state: 'spreading', spreadLayers: layer });
    const spreadMinutes = between(random, 0.1, 0.3, 2);
    yield process(spreadMinutes * 60, { state: 'spread', spreadMinutes });
    const printMinutes = between(random, 0.4, 1.5, 2);
    const currentLayerArea = between(random, 50, 40_000, 1);
    yield process(printMinutes * 60, () => ({
      state: 'printing',
      printStart: minutesAgo(printMinutes),
      printEnd: minutesAgo(0),
      printMinutes,
      printLayers: layers,
      currentLayer: layer,
      currentLayerArea,
      currentLayerSeconds: Math.round(printMinutes * 60),
    }));
    minutes += spreadMinutes + printMinutes;
  }
  const printMinutes = Math.round(minutes);
  yield process(5, () => ({
    state: 'printed',
    printStart: minutesAgo(printMinutes),
    printEnd: minutesAgo(0),
    printMinutes,
    printLayers: layers,
  }));
}

function* trouble(random: Random): Generator<Step, void> {
  const level = pick(random, ['fault', 'alarm', 'alarm', 'hint', 'hint'] as const);
  yield error(1, level, pick(random, samples.errors[level]));
  if (level !== 'fault') return;
  yield process(1, { state: 'printPaused' });
  yield process(between(random, 60, 600), { state: 'printResumed' });
}

const process = (afterSeconds: number, content: ProcessContent | (() => ProcessContent)): Step => ({
  afterSeconds,
  occurrence: () => ({ kind: 'process', content: typeof content === 'function' ? content() : content }),
});

const error = (afterSeconds: number, level: LevelName, description: string): Step => ({
  afterSeconds,
  occurrence: () => ({ kind: 'error', level, description }),
});
