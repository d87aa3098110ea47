import { GpioError } from './errors.ts';
import type { Edges, InputOptions, Level, OutputOptions, Pull } from './port.ts';

const allEdges: readonly Edges[] = ['both', 'rising', 'falling'];
const allPulls: readonly Pull[] = ['as-is', 'none', 'up', 'down'];
const longestDebounceMs = 60_000;
const highestLine = 1023;

/** The number in `17`, `GPIO17` or `BCM 17`; undefined for another name. */
export function lineNumber(line: number | string): number | undefined {
  const number = typeof line === 'number' ? line : Number(/^\s*(?:GPIO|BCM)?\s*(\d{1,4})\s*$/i.exec(line)?.[1] ?? NaN);
  return Number.isInteger(number) && number >= 0 && number <= highestLine ? number : undefined;
}

/** The number of a line for drivers that know no names. */
export function requireLineNumber(line: number | string): number {
  const number = lineNumber(line);
  if (number !== undefined) return number;
  throw new GpioError('no-such-line', `"${line}" is no line: give its number on the chip, such as 17 or GPIO17`);
}

/** With every default filled in. @throws GpioError `invalid-settings` */
export function normalizeInput(options: InputOptions): Required<InputOptions> {
  const { edges = 'both', debounceMs = 0, activeLow = false, pull = 'as-is' } = options;
  if (!allEdges.includes(edges)) throw invalid(`edges must be one of ${allEdges.join(', ')}`);
  if (!allPulls.includes(pull)) throw invalid(`pull must be one of ${allPulls.join(', ')}`);
  if (!Number.isFinite(debounceMs) || debounceMs < 0 || debounceMs > longestDebounceMs) {
    throw invalid(`debounce must be 0 to ${longestDebounceMs} ms`);
  }
  return {
    line: options.line,
    owner: options.owner,
    edges,
    debounceMs,
    activeLow,
    pull,
    onEdge: (event) => options.onEdge(event),
    onLost: (error) => options.onLost(error),
  };
}

/** With every default filled in. @throws GpioError `invalid-settings` */
export function normalizeOutput(options: OutputOptions) {
  const { initial = 0, atClose, activeLow = false } = options;
  if (!isLevel(initial)) throw invalid('the initial value must be 0 or 1');
  if (atClose !== undefined && !isLevel(atClose)) throw invalid('the value at close must be 0 or 1');
  const { line, owner } = options;
  return { line, owner, initial, atClose, activeLow, onLost: (error: GpioError) => options.onLost(error) };
}

export type NormalOutput = ReturnType<typeof normalizeOutput>;

function isLevel(value: unknown): value is Level {
  return value === 0 || value === 1;
}

function invalid(text: string): GpioError {
  return new GpioError('invalid-settings', text);
}
