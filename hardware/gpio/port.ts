/**
 * What every GPIO driver offers: a chip, whose lines are opened as inputs or outputs, one owner each.
 *
 * Invariants
 * - Values are logical: 1 is active. With `activeLow` the electrical level is the opposite.
 * - A line has one owner in this process; a second one gets `busy` with the first one's name.
 * - Constructors and `openChip` touch nothing; what is missing is said when a line is opened, as a `GpioError`.
 * - After `onLost` the line is closed and released; opening it again is the way back.
 */
import type { GpioError } from './errors.ts';

/** Logical value of a line: 1 is active. */
export type Level = 0 | 1;
export type Edge = 'rising' | 'falling';
/** Which changes an input tells. */
export type Edges = Edge | 'both';
/** Resistor inside the chip: `as-is` leaves it as the board has set it. */
export type Pull = 'as-is' | 'none' | 'up' | 'down';

/** A change of an input. */
export interface LineEvent {
  readonly value: Level;
  readonly edge: Edge;
  /** When it happened: milliseconds of the clock that never goes back, since the box started. */
  readonly monotonicMs: number;
}

/** How a line is opened for reading. */
export interface InputOptions {
  /** Number on its chip (BCM number on a Raspberry Pi), or a name such as `GPIO17`. */
  readonly line: number | string;
  /** Who uses it; a second one who wants the line is told this name. */
  readonly owner: string;
  /** Default `both`. */
  readonly edges?: Edges;
  /** A change counts once it has lasted so long; 0 (default) to 60,000 ms. */
  readonly debounceMs?: number;
  readonly activeLow?: boolean;
  /** Default `as-is`. */
  readonly pull?: Pull;
  onEdge(event: LineEvent): void;
  /** The line is gone (unplugged, its helper ended); called once at most, after which the line is closed. */
  onLost(error: GpioError): void;
}

/** An open input. */
export interface InputLine {
  readonly line: number;
  /** The debounced value. */
  readonly value: Level;
  /** Releases the line; again does nothing. */
  close(): Promise<void>;
}

/** How a line is opened for writing. */
export interface OutputOptions {
  readonly line: number | string;
  readonly owner: string;
  /** Value from the first moment on. Default 0. */
  readonly initial?: Level;
  readonly activeLow?: boolean;
  /** What the line gets before it is released; without it, it stays at its last value as far as the driver can do that. */
  readonly atClose?: Level;
  onLost(error: GpioError): void;
}

/** An open output. */
export interface OutputLine {
  readonly line: number;
  /** What was written last. */
  readonly value: Level;
  /** @throws GpioError `lost` when the line is gone. */
  write(value: Level): Promise<void>;
  close(): Promise<void>;
}

/** What a chip is, and why this driver was taken. */
export interface ChipDescription {
  readonly uri: string;
  readonly driver: 'sysfs' | 'gpiod' | 'simulated' | 'none';
  /** Label of the chip, when it was found. */
  readonly label?: string;
  /** Sentences for people: what was found and what was decided. */
  readonly explanation: string;
  /** What is missing; absent when lines can be opened. */
  readonly problem?: { readonly code: string; readonly text: string };
}

/** A GPIO chip through one driver. */
export interface GpioChip {
  readonly uri: string;
  /** Never throws: what is missing stands in `problem`. */
  describe(): Promise<ChipDescription>;
  /** @throws GpioError */
  openInput(options: InputOptions): Promise<InputLine>;
  /** @throws GpioError */
  openOutput(options: OutputOptions): Promise<OutputLine>;
}
