/**
 * What every benchmark shares: its options, rounds in turn, medians, ratios and targets, and one line of JSON at the
 * end for `run.ts`.
 *
 * Sides are compared in one run, round by round in turn (A B A B …), because a computer's disk and clock change from
 * minute to minute and figures of different runs say little about each other; the ratio is that of the medians.
 */
import { statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';

/** A bound of a ratio or of a figure. */
export interface Target {
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** One line of a benchmark's result. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  /** Holdfast's. */
  readonly ours: number;
  /** Whom it is compared with, and that side's figure. */
  readonly beside?: string;
  readonly theirs?: number;
  /** ours / theirs; the target is for this, without it for `ours`. */
  readonly ratio?: number;
  readonly target?: Target;
  readonly pass?: boolean;
}

/** A benchmark's result, its last line of output. */
export interface Result {
  readonly benchmark: string;
  readonly quick: boolean;
  readonly seconds: number;
  readonly figures: readonly Figure[];
  readonly notes: readonly string[];
}

const temporaryFileSystem = 0x01021994;

export class Bench {
  readonly name: string;
  /** Tiny sizes: shows that everything works, and its figures mean nothing. */
  readonly quick: boolean;
  readonly #rounds: number | undefined;
  readonly #figures: Figure[] = [];
  readonly #notes: string[] = [];
  readonly #started = performance.now();

  constructor(name: string, { quick, rounds }: { quick: boolean; rounds?: number | undefined }) {
    this.name = name;
    this.quick = quick;
    this.#rounds = rounds;
  }

  /** The full size, or the tiny one with `--quick`. */
  pick<T>(full: T, quick: T): T {
    return this.quick ? quick : full;
  }

  /** How many rounds: `--rounds`, else as the benchmark wants it, else one with `--quick`. */
  rounds(full: number): number {
    return this.#rounds ?? this.pick(full, 1);
  }

  /** Runs the sides in turn, `rounds` times, and returns what each measured. */
  async alternate<Side extends string>(
    rounds: number,
    sides: Readonly<Record<Side, (round: number) => number | Promise<number>>>,
  ): Promise<Record<Side, number[]>> {
    const names = Object.keys(sides) as Side[];
    const measured = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Side, number[]>;
    for (let round = 0; round < rounds; round++) {
      for (const name of names) measured[name].push(await sides[name](round));
    }
    return measured;
  }

  /** States both sides' medians, their ratio and, when there is one, the target for it. */
  compare(options: {
    readonly name: string;
    readonly unit: string;
    readonly ours: readonly number[];
    readonly beside: string;
    readonly theirs: readonly number[];
    readonly target?: Target;
  }): void {
    const { name, unit, beside, target } = options;
    const ours = median(options.ours);
    const theirs = median(options.theirs);
    const ratio = ours / theirs;
    this.#add({ name, unit, ours, beside, theirs, ratio, ...judged(ratio, target) }, options.ours, options.theirs);
  }

  /** States a figure of ours alone. */
  state(options: { name: string; unit: string; ours: readonly number[]; target?: Target }): void {
    const { name, unit, target } = options;
    const ours = median(options.ours);
    this.#add({ name, unit, ours, ...judged(ours, target) }, options.ours);
  }

  /** Something to be known about the figures. */
  note(text: string): void {
    this.#notes.push(text);
    console.log(`  ${text}`);
  }

  #add(figure: Figure, ours: readonly number[], theirs: readonly number[] = []): void {
    this.#figures.push(figure);
    const sides = [`holdfast ${spread(ours)}`];
    if (figure.beside !== undefined) sides.push(`${figure.beside} ${spread(theirs)}`);
    const ratio = figure.ratio === undefined ? '' : `; ratio ${round(figure.ratio)}`;
    console.log(`  ${figure.name}: ${sides.join(', ')} ${figure.unit}${ratio}${verdict(figure)}`);
  }

  get result(): Result {
    const seconds = Math.round((performance.now() - this.#started) / 1000);
    return { benchmark: this.name, quick: this.quick, seconds, figures: this.#figures, notes: this.#notes };
  }
}

/** Runs the benchmark that this process was started for, and ends the process. */
export async function benchmark(run: (bench: Bench) => Promise<void>): Promise<never> {
  const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false }, rounds: { type: 'string' } } });
  // What was started ends with this process (processes.ts, temporary.ts), so it must end in order.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  if (statfsSync(tmpdir()).type === temporaryFileSystem) {
    console.error(`${tmpdir()} is in memory: name a folder on the disk that is to be measured with TMPDIR`);
    process.exit(2);
  }
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  const bench = new Bench(basename(process.argv[1]!, '.ts'), { quick: values.quick, rounds });
  console.log(`${bench.name}${bench.quick ? ' (quick: the figures mean nothing)' : ''}`);
  try {
    await run(bench);
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
  console.log(JSON.stringify(bench.result));
  process.exit(0);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Three digits that matter; more are noise. */
export function round(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(3)));
}

/** `at least 0.9`, or `—` for none. */
export function targetText({ atLeast, atMost }: Target = {}): string {
  if (atLeast !== undefined) return `≥ ${atLeast}`;
  return atMost === undefined ? '—' : `≤ ${atMost}`;
}

function judged(value: number, target: Target | undefined): { target?: Target; pass?: boolean } {
  if (target === undefined) return {};
  const pass =
    value >= (target.atLeast ?? Number.NEGATIVE_INFINITY) && value <= (target.atMost ?? Number.POSITIVE_INFINITY);
  return { target, pass };
}

function spread(values: readonly number[]): string {
  const text = round(median(values));
  return values.length < 2 ? text : `${text} (${round(Math.min(...values))}–${round(Math.max(...values))})`;
}

function verdict({ target, pass }: Figure): string {
  return target === undefined ? '' : `; target ${targetText(target)}: ${pass ? 'pass' : 'MISS'}`;
}
