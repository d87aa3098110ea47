/**
 * Random histories of a journal against a model: groups of calls, faults of single calls and lasting ones, a full disk,
 * and the process killed or the power cut between calls or in the middle of one.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Journal } from '../../src/platform/index.ts';
import { FaultFileSystem } from '../support/fault-file-system.ts';
import { Random } from '../support/random.ts';

type State = ReadonlyMap<string, number>;
type Change = readonly [key: string, value?: number];
type Fault = 'none' | 'one call' | 'lasting' | 'full disk';

const folder = '/data/store';

function changed(state: State, calls: readonly (readonly Change[])[]): State {
  const next = new Map(state);
  for (const [key, value] of calls.flat()) {
    if (value === undefined) next.delete(key);
    else next.set(key, value);
  }
  return next;
}

const textOf = (state: State): string => JSON.stringify([...state].toSorted());

class World {
  readonly #random: Random;
  #fileSystem: FaultFileSystem;
  #journal!: Journal;
  /** What the process shows. */
  #shown: State = new Map();
  /** What the next process may find; one state only, unless the device has failed too. */
  #possible: State[] = [new Map()];
  #value = 0;
  /** Power cuts and kills, calls that failed, calls that were stored. */
  readonly figures = { ends: 0, failed: 0, stored: 0 };

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.#fileSystem = new FaultFileSystem(this.#random);
  }

  async run(): Promise<void> {
    this.#fileSystem.makeFolder('/data');
    await this.#fileSystem.syncFolder('/');
    await this.#open();
    for (let step = this.#random.between(5, 40); step > 0; step--) {
      const kind = this.#random.below(10);
      if (kind < 5) await this.#burst('none');
      else if (kind < 8) await this.#burst(this.#random.pick(['one call', 'lasting', 'full disk']));
      else await this.#end(kind === 8);
      this.#compare();
    }
    await this.#end(false);
    assert.ok(this.#fileSystem.openFiles <= 1);
    await this.#journal.close();
    assert.is(this.#fileSystem.openFiles, 0);
  }

  async #open(): Promise<void> {
    for (;;) {
      this.#journal = new Journal({ fileSystem: this.#fileSystem, folder, name: 'j', maxKeys: 100, slackBytes: 400 });
      if (this.#random.chance(0.3)) this.#fileSystem.dieAt = this.#fileSystem.calls + this.#random.between(1, 12);
      if (this.#random.chance(0.2)) this.#failOneCall();
      const opening = await this.#journal.open().catch((error: unknown) => {
        if (!this.#fileSystem.isDead && !(error as Error).message.includes('injected')) throw error;
      });
      this.#fileSystem.plan = () => undefined;
      if (this.#fileSystem.isDead || opening === undefined) {
        await this.#restart();
        continue;
      }
      this.#fileSystem.dieAt = Number.POSITIVE_INFINITY;
      assert.is(opening.damaged, 0, 'nothing was damaged');
      const found = new Map(this.#journal.entries()) as State;
      const states = this.#possible.map(textOf);
      assert.ok(
        states.includes(textOf(found)),
        `found ${textOf(found)}, possible ${states.length}, such as ${states[0]}`,
      );
      this.#shown = found;
      if (opening.error === undefined) this.#possible = [found];
      return;
    }
  }

  async #burst(fault: Fault): Promise<void> {
    const fileSystem = this.#fileSystem;
    const calls = Array.from({ length: this.#random.between(1, 5) }, () => this.#changes());
    if (fault === 'one call') this.#failOneCall();
    if (fault === 'full disk')
      fileSystem.capacityBytes = fileSystem.usedBytes('/') + this.#random.below(this.#random.pick([40, 2000]));
    if (fault === 'lasting') {
      const code = this.#random.pick(['EIO', 'ENOSPC'] as const);
      fileSystem.plan = () => (this.#random.chance(0.5) ? code : undefined);
    }
    const results = await Promise.allSettled(
      calls.map(async (changes) => {
        if (this.#random.chance(0.4)) await new Promise((resolve) => setImmediate(resolve));
        await this.#journal.apply(changes);
      }),
    );
    fileSystem.plan = () => undefined;
    fileSystem.capacityBytes = Number.POSITIVE_INFINITY;
    this.#settle(calls, results, fault === 'lasting');
  }

  /** Calls that were delayed come after the others, so their order is not that of the list: each has keys of its own. */
  #changes(): Change[] {
    const key = `k${this.#value++ % 9}`;
    const second: Change[] = this.#random.chance(0.3) ? [[`${key}+`, this.#value]] : [];
    return this.#random.chance(0.2) ? [[key], ...second] : [[key, this.#value], ...second];
  }

  #settle(calls: Change[][], results: PromiseSettledResult<void>[], mayShowFailed: boolean): void {
    const stored = calls.filter((_, index) => results[index]!.status === 'fulfilled');
    const failed = calls.filter((_, index) => results[index]!.status === 'rejected');
    this.figures.stored += stored.length;
    this.figures.failed += failed.length;
    this.#shown = changed(this.#shown, stored);
    const bases = stored.length > 0 ? [this.#shown] : this.#possible;
    const more = mayShowFailed ? subsets(failed).map((some) => changed(this.#shown, some)) : [];
    this.#possible = [...bases, ...more];
  }

  /** The process ends, perhaps in the middle of calls, and the next one starts. */
  async #end(isPowerCut: boolean): Promise<void> {
    if (this.#random.chance(0.7)) {
      const calls = Array.from({ length: this.#random.between(1, 4) }, () => this.#changes());
      this.#fileSystem.dieAt = this.#fileSystem.calls + this.#random.between(1, 8);
      const results = await Promise.allSettled(calls.map((changes) => this.#journal.apply(changes)));
      this.#settle(calls, results, true);
    }
    await this.#restart(isPowerCut);
    await this.#open();
  }

  async #restart(isPowerCut = this.#random.chance(0.5)): Promise<void> {
    this.figures.ends++;
    this.#fileSystem = isPowerCut ? this.#fileSystem.afterPowerCut() : this.#fileSystem.afterKill();
  }

  #failOneCall(): void {
    let left = this.#random.below(10);
    const code = this.#random.pick(['EIO', 'ENOSPC'] as const);
    this.#fileSystem.plan = () => (left-- === 0 ? code : undefined);
  }

  #compare(): void {
    assert.is(textOf(new Map(this.#journal.entries()) as State), textOf(this.#shown), 'memory shows what is stored');
  }
}

function subsets<T>(items: readonly T[]): T[][] {
  return items.reduce<T[][]>((all, item) => all.flatMap((some) => [some, [...some, item]]), [[]]);
}

const test = suite('journal histories');

test('whatever happens, the journal holds what it said it stored', async () => {
  const first = Number(process.env.HOLDFAST_JOURNAL_SEED ?? 1);
  const count = Number(process.env.HOLDFAST_JOURNAL_HISTORIES ?? 400);
  const totals = { ends: 0, failed: 0, stored: 0 };
  for (let seed = first; seed < first + count; seed++) {
    const world = new World(seed);
    try {
      await world.run();
    } catch (error) {
      throw new Error(`HOLDFAST_JOURNAL_SEED=${seed}: ${(error as Error).message}`, { cause: error });
    }
    for (const figure of ['ends', 'failed', 'stored'] as const) totals[figure] += world.figures[figure];
  }
  console.log(`${count} histories from seed ${first}: ${JSON.stringify(totals)}`);
  assert.ok(totals.ends > count && totals.failed > count && totals.stored > count, JSON.stringify(totals));
});

test.run();
