import type { Clock } from '../platform/clock.ts';
import type { LogLine } from './protocol.ts';

const linesPerSecond = 200;
const maxTextLength = 2000;

/** Log lines, so many a second and each so long at most; the rest is counted in a line of its own. */
export class LineLimit {
  readonly #clock: Clock;
  readonly #write: (line: LogLine) => void;
  readonly #perSecond: number;
  #secondBeganMs = Number.NEGATIVE_INFINITY;
  #written = 0;
  #left = 0;

  constructor(options: { clock: Clock; write: (line: LogLine) => void; perSecond?: number }) {
    this.#clock = options.clock;
    this.#write = options.write;
    this.#perSecond = options.perSecond ?? linesPerSecond;
  }

  add(line: LogLine): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#secondBeganMs >= 1000) this.#nextSecond(nowMs);
    if (this.#written++ >= this.#perSecond) {
      this.#left++;
      return;
    }
    const text = line.text.trim().replace(/\s*\n[\s=]*/g, ' | ');
    this.#write({ ...line, text: text.length > maxTextLength ? `${text.slice(0, maxTextLength)} …` : text });
  }

  /** Says how many lines were left out so far. */
  flush(): void {
    if (this.#left === 0) return;
    this.#write({
      level: 'warn',
      text: `${this.#left} lines of the flows were left out: too many a second`,
      facts: {},
    });
    this.#left = 0;
  }

  #nextSecond(nowMs: number): void {
    this.#secondBeganMs = nowMs;
    this.#written = 0;
    this.flush();
  }
}
