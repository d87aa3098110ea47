/**
 * Random histories of a repeat window beside a plain list of what was remembered: what was handed to the system is found
 * after a kill, what was synced after a power cut; what was never remembered is never found; a sequence is the right one,
 * and what was settled stays so.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RepeatWindow } from '../../src/spool/repeat-window.ts';
import { FaultFileSystem } from '../support/fault-file-system.ts';
import { Random } from '../support/random.ts';

const test = suite('histories of a repeat window');
const channel = 'process';

interface Report {
  readonly text: string;
  readonly sequence: number;
  /** How many were remembered before it, since the ring was made. */
  readonly place: number;
  /** 0: in memory only, 1: in the page cache, 2: on the device. */
  safe: 0 | 1 | 2;
  isSettled: boolean;
  /** The same of the settling. */
  settledSafe: 0 | 1 | 2;
  /** A sync has failed: the cache may have lost it, or that it is settled. */
  isDoubtful: boolean;
}

class History {
  readonly #random: Random;
  readonly #capacity: number;
  #fileSystem: FaultFileSystem;
  #window!: RepeatWindow;
  #reports: Report[] = [];
  /** All ever, by text. */
  readonly #all = new Map<string, Report>();
  #place = 0;
  #sequence = 1;
  #failing: 'write' | 'sync' | 'synced' | undefined;
  /** Bytes may be gone from the cache: what was not on the device may be lost. */
  #log: string[] = [];
  /** A write over an entry that was to be settled has failed, perhaps half done. */
  #mayBeTorn = false;

  constructor(seed: number, capacity: number) {
    this.#random = new Random(seed);
    this.#capacity = capacity;
    this.#fileSystem = new FaultFileSystem(new Random(seed + 1));
  }

  async run(steps: number): Promise<void> {
    this.#fileSystem.makeFolder('/spool');
    await this.#fileSystem.syncFolder('/');
    this.#open();
    // Names are durable only then.
    await this.#sync();
    for (let step = 0; step < steps; step++) await this.#step();
    this.#checkAll();
  }

  get log(): string {
    return this.#log.slice(-30).join(' ');
  }

  #open(): void {
    this.#failing = undefined;
    this.#mayBeTorn = false;
    this.#fileSystem.plan = (kind) =>
      kind === this.#failing && this.#random.chance(0.7) ? this.#random.pick(['EIO', 'ENOSPC'] as const) : undefined;
    this.#window = new RepeatWindow({
      fileSystem: this.#fileSystem,
      folder: '/spool',
      name: 'repeats',
      capacity: this.#capacity,
      windowMs: 600_000,
      nowMs: () => 1000,
    });
    this.#window.open(0);
  }

  #digest(text: string): string {
    return this.#window.digest(channel, Buffer.from(text));
  }

  async #step(): Promise<void> {
    const what = this.#random.below(100);
    if (what < 35) this.#remember(this.#random.between(1, 40));
    else if (what < 45) this.#remember(this.#random.pick([1023, 1024, 1025, 500, 300, 2048]));
    else if (what < 65) this.#settle(this.#random.between(1, 30));
    else if (what < 68) this.#settle(1100);
    else if (what < 78) this.#flush();
    else if (what < 85) await this.#sync();
    else if (what < 90) this.#restart('kill');
    else if (what < 94) this.#restart('power');
    else if (what < 97) this.#failing = this.#random.pick(['write', 'write', 'sync', 'synced']);
    else this.#failing = undefined;
    if (this.#failing === 'write') this.#mayBeTorn = true;
    this.#checkSome();
  }

  #remember(count: number): void {
    this.#log.push(`remember${count}`);
    for (let index = 0; index < count; index++) {
      const report: Report = {
        text: `r${this.#all.size}`,
        sequence: this.#sequence++,
        place: this.#place++,
        safe: 0,
        isSettled: false,
        settledSafe: 0,
        isDoubtful: false,
      };
      this.#window.remember(this.#digest(report.text), report.sequence);
      this.#reports.push(report);
      this.#all.set(report.text, report);
    }
    this.#reports = this.#reports.filter(({ place }) => place >= this.#place - this.#capacity);
  }

  #settle(count: number): void {
    this.#log.push(`settle${count}`);
    for (let index = 0; index < count && this.#reports.length > 0; index++) {
      const report =
        count > 100
          ? this.#reports[this.#reports.length - 1 - (index % this.#reports.length)]!
          : this.#random.pick(this.#reports);
      const before = this.#window.look(this.#digest(report.text));
      this.#window.settle(this.#digest(report.text));
      if (before === undefined) continue;
      if (!report.isSettled) report.settledSafe = 0;
      report.isSettled = true;
    }
  }

  #flush(): void {
    this.#log.push(`flush${this.#failing ?? ''}`);
    this.#window.flush();
    if (this.#failing === 'write') return;
    this.#mayBeTorn = false;
    for (const report of this.#reports) {
      if (report.isDoubtful) continue;
      report.safe = report.safe === 0 ? 1 : report.safe;
      if (report.isSettled && report.settledSafe === 0) report.settledSafe = 1;
    }
  }

  async #sync(): Promise<void> {
    this.#log.push(`sync${this.#failing ?? ''}`);
    const done = this.#window.sync().then(
      () => true,
      () => false,
    );
    const before: Report[] = [];
    for (const report of this.#reports) {
      if (report.isDoubtful) {
        const found = this.#window.look(this.#digest(report.text));
        if (found === undefined) continue;
        report.isSettled = found.isSettled;
      }
      before.push(report);
    }
    const settled = new Set(before.filter(({ isSettled }) => isSettled));
    // What comes while it runs is not promised.
    if (this.#random.chance(0.4)) this.#remember(this.#random.pick([1, 30, 1030]));
    if (this.#random.chance(0.4)) this.#settle(5);
    const isDone = await done;
    if (isDone) {
      this.#mayBeTorn = this.#failing === 'write';
      for (const report of before) {
        report.safe = 2;
        report.isDoubtful = false;
        if (settled.has(report)) report.settledSafe = 2;
      }
      return;
    }
    // A failed sync may take from the cache what is not on the device.
    for (const report of this.#reports) {
      if (report.safe !== 2) report.safe = 0;
      if (report.settledSafe !== 2) report.settledSafe = 0;
      if (report.safe === 0 || (report.isSettled && report.settledSafe === 0)) report.isDoubtful = true;
    }
  }

  #restart(how: 'kill' | 'power'): void {
    this.#log.push(how);
    const mayBeTorn = this.#mayBeTorn;
    this.#fileSystem = how === 'kill' ? this.#fileSystem.afterKill() : this.#fileSystem.afterPowerCut();
    this.#open();
    const least = how === 'kill' ? 1 : 2;
    const kept: Report[] = [];
    for (const report of this.#reports) {
      const found = this.#window.look(this.#digest(report.text));
      // A settling that was under way may be torn, and with it the entry.
      const isSafe =
        report.safe >= least && ((how === 'kill' && !mayBeTorn) || !report.isSettled || report.settledSafe >= least);
      if (isSafe) assert.ok(found !== undefined, `${report.text} is forgotten after ${how}`);
      if (found === undefined) continue;
      assert.is(found.sequence, report.sequence);
      if (isSafe && report.isSettled && report.settledSafe >= least)
        assert.ok(found.isSettled, `${report.text} settled`);
      if (!report.isSettled && !report.isDoubtful) assert.not.ok(found.isSettled, `${report.text} was never settled`);
      report.isDoubtful = false;
      kept.push(report);
      report.isSettled = found.isSettled;
      report.safe = how === 'power' || report.safe === 2 ? 2 : 1;
      report.settledSafe = report.isSettled ? report.safe : 0;
      if (how === 'kill' && report.settledSafe === 2) report.settledSafe = 1;
    }
    // Those that are gone left places that are taken again.
    this.#reports = kept;
  }

  #check(report: Report): void {
    const found = this.#window.look(this.#digest(report.text));
    if (found === undefined) {
      if (!report.isDoubtful) throw new Error(`${report.text} is forgotten`);
      return;
    }
    assert.is(found.sequence, report.sequence, report.text);
    if (!report.isDoubtful) assert.is(found.isSettled, report.isSettled, `${report.text} settled`);
  }

  #checkSome(): void {
    for (let index = 0; index < 20 && this.#reports.length > 0; index++) this.#check(this.#random.pick(this.#reports));
    for (let index = 0; index < 5; index++) {
      assert.is(this.#window.find(this.#digest(`never${this.#random.below(1e6)}`)), undefined);
    }
  }

  #checkAll(): void {
    const present = new Set(this.#reports.map(({ text }) => text));
    for (const report of this.#reports) this.#check(report);
    for (const report of this.#all.values()) {
      if (present.has(report.text)) continue;
      const found = this.#window.find(this.#digest(report.text));
      if (found !== undefined) assert.is(found, report.sequence);
    }
  }
}

const first = Number(process.env.SEED ?? 1);
const count = Number(process.env.COUNT ?? 60);
const capacities = [1, 2, 7, 50, 1000, 1023, 1024, 1025, 1500, 2047, 2048, 2049, 3072, 4096, 5000];
test('random histories', async () => {
  for (let seed = first; seed < first + count; seed++) {
    const capacity = capacities[seed % capacities.length]!;
    const history = new History(seed * 7919, capacity);
    try {
      await history.run(120);
    } catch (error) {
      throw new Error(
        `seed ${seed}, capacity ${capacity}: ${(error as Error).message}\n${history.log}\n${(error as Error).stack}`,
      );
    }
  }
});

test.run();
