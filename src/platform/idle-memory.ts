import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock, Timer } from './clock.ts';

const checkEveryMs = 5000;
/** Busier than this share of one core, the process is left alone: giving memory back takes some tens of ms. */
const idleShare = 0.03;
const worthBytes = 8 * 1024 * 1024;

type Collect = (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void;

/**
 * Gives back what the start of the program, and later a burst of reports, has made the JavaScript engine take from the
 * system. Left to itself it keeps the room for the next burst, for hours; on a small box other programs need it.
 */
export class IdleMemory {
  readonly #clock: Clock;
  readonly #giveBack: () => void;
  #timer: Timer | undefined;
  #cpu = process.cpuUsage();
  #atMs = 0;
  /** Resident bytes after the last time; 0 before the first, which is the first quiet moment after the start. */
  #settledBytes = 0;
  #collect: Collect | undefined;

  /** `giveBack` is called before each collection, to let go of room that the program itself has kept. */
  constructor(options: { clock: Clock; giveBack: () => void }) {
    this.#clock = options.clock;
    this.#giveBack = options.giveBack;
  }

  start(): void {
    if (this.#timer !== undefined) return;
    this.#settledBytes = 0;
    this.#atMs = this.#clock.monotonicMs();
    this.#timer = this.#clock.every(checkEveryMs, () => this.#check());
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #check(): void {
    const nowMs = this.#clock.monotonicMs();
    const { user, system } = process.cpuUsage(this.#cpu);
    const share = (user + system) / 1000 / (nowMs - this.#atMs);
    this.#cpu = process.cpuUsage();
    this.#atMs = nowMs;
    const bytes = process.memoryUsage.rss();
    this.#settledBytes = Math.min(this.#settledBytes, bytes);
    if (share > idleShare || bytes - this.#settledBytes < worthBytes) return;
    if (this.#collect === undefined) {
      setFlagsFromString('--expose-gc');
      this.#collect = runInNewContext('gc') as Collect;
    }
    this.#giveBack();
    this.#collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    this.#settledBytes = process.memoryUsage.rss();
  }
}
