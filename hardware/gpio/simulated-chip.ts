/**
 * A GPIO chip that exists only in this process, driven from a test, the console or a command: press a button, read a
 * relay, let it fail, unplug it. It lives on when nobody has a line open, as a real chip does.
 */
import { EventEmitter } from 'node:events';
import type { Level, Pull } from './port.ts';

/** What the driver hangs onto a line while it is open. */
export interface SimulatedUser {
  readonly direction: 'in' | 'out';
  readonly activeLow: boolean;
  readonly pull: Pull;
  /** The electrical level changed. */
  levelChanged(level: Level): void;
  lost(why: string): void;
}

interface SimulatedLine {
  /** What somebody outside drives: a level, a pressed button, or nothing. */
  outside: Level | 'pressed' | undefined;
  /** What the program drives, kept after it has released the line. */
  output: Level;
  failure: string | undefined;
  user: SimulatedUser | undefined;
}

/** A line as the outside sees it. */
export interface SimulatedLineState {
  readonly line: number;
  /** Electrical level. */
  readonly level: Level;
  readonly direction: 'in' | 'out' | 'unused';
}

export class SimulatedChip extends EventEmitter<{ output: [line: number, level: Level] }> {
  readonly name: string;
  readonly lines: number;
  readonly #lines = new Map<number, SimulatedLine>();
  #plugged = true;

  constructor({ name, lines = 54 }: { name: string; lines?: number }) {
    super();
    this.name = name;
    this.lines = lines;
  }

  /** Presses the button on a line: the line becomes active, whatever level that is for who reads it. */
  press(line: number | string): void {
    this.#drive(line, 'pressed');
  }

  /** Lets the button go. */
  release(line: number | string): void {
    this.#drive(line, undefined);
  }

  /** Drives an electrical level from outside. */
  set(line: number | string, level: Level): void {
    this.#drive(line, level);
  }

  /** What the line looks like from outside, such as to a relay. */
  state(line: number | string): SimulatedLineState {
    const number = this.#number(line);
    const entry = this.#entry(number);
    return { line: number, level: level(entry), direction: entry.user?.direction ?? 'unused' };
  }

  /** The electrical level of a line. */
  level(line: number | string): Level {
    return this.state(line).level;
  }

  /** Breaks one line until `repair`: who has it open loses it, opening it again fails. */
  fail(line: number | string, why = 'simulated failure'): void {
    const entry = this.#entry(this.#number(line));
    entry.failure = why;
    entry.user?.lost(why);
  }

  repair(line: number | string): void {
    this.#entry(this.#number(line)).failure = undefined;
  }

  /** Takes the whole chip away, as a USB expander is unplugged. */
  unplug(): void {
    this.#plugged = false;
    for (const entry of this.#lines.values()) entry.user?.lost('unplugged');
  }

  plug(): void {
    this.#plugged = true;
  }

  get plugged(): boolean {
    return this.#plugged;
  }

  /** Every line that was ever used or driven. */
  states(): SimulatedLineState[] {
    return [...this.#lines.keys()].sort((a, b) => a - b).map((line) => this.state(line));
  }

  /** For the driver: why a line cannot be opened, or undefined. */
  failureOf(line: number): string | undefined {
    return this.#entry(line).failure;
  }

  /** For the driver: opens a line and returns its electrical level. */
  attach(line: number, user: SimulatedUser): Level {
    const entry = this.#entry(line);
    entry.user = user;
    return level(entry);
  }

  detach(line: number): void {
    this.#entry(line).user = undefined;
  }

  /** For the driver: the program drives a level. */
  output(line: number, value: Level): void {
    const entry = this.#entry(line);
    const changed = entry.output !== value;
    entry.output = value;
    if (changed) this.emit('output', line, value);
  }

  #drive(line: number | string, outside: SimulatedLine['outside']): void {
    const entry = this.#entry(this.#number(line));
    const before = level(entry);
    entry.outside = outside;
    const after = level(entry);
    if (after !== before && entry.user?.direction === 'in') entry.user.levelChanged(after);
  }

  #number(line: number | string): number {
    const number = Number(String(line).replace(/^(GPIO|BCM)\s*/i, ''));
    if (Number.isInteger(number) && number >= 0 && number < this.lines) return number;
    throw new RangeError(`the simulated chip "${this.name}" has no line "${line}", only 0 to ${this.lines - 1}`);
  }

  #entry(line: number): SimulatedLine {
    let entry = this.#lines.get(line);
    if (!entry) {
      entry = { outside: undefined, output: 0, failure: undefined, user: undefined };
      this.#lines.set(line, entry);
    }
    return entry;
  }
}

/** A button that is not pressed leaves the line inactive: at the pull's level, or at rest of who reads it. */
function level({ user, outside, output }: SimulatedLine): Level {
  if (user?.direction === 'out') return output;
  if (outside === 0 || outside === 1) return outside;
  if (!user) return outside === 'pressed' ? 1 : output;
  const rest: Level = user.pull === 'up' || (user.pull !== 'down' && user.activeLow) ? 1 : 0;
  return outside === 'pressed' ? opposite(rest) : rest;
}

function opposite(value: Level): Level {
  return value === 1 ? 0 : 1;
}
