import type { Edges, GpioError, InputLine, Level, LineEvent, Pull } from '@holdfast/hardware/gpio';
import { GpioLine, type LineProblem, retryPauses } from '../shared/gpio-line.ts';
import {
  choiceSetting,
  type GpioConfig,
  lineSettings,
  numberSetting,
  type OpenChip,
  ownerName,
  statusKey,
} from '../shared/gpio-settings.ts';
import type { Migration } from '../shared/migrate.ts';
import type { Message, NodeStatus } from '../shared/node-red.ts';
import { systemTimers, type Timers } from '../shared/timers.ts';

/** What the dialog of `gpio in` saves; numbers may be text. */
export interface GpioInConfig extends GpioConfig {
  readonly edges?: Edges;
  readonly debounce?: number | string;
  readonly pull?: Pull;
  readonly activeLow?: boolean;
  readonly sendInitial?: boolean;
  readonly payload?: 'number' | 'boolean';
}

/** Version 1 is the first one. */
export const migrations: readonly Migration[] = [(config) => config];

export interface GpioInOptions {
  readonly config: GpioInConfig;
  readonly openChip: OpenChip;
  readonly send: (message: Message) => void;
  readonly status: (status: NodeStatus) => void;
  /** For `catch` nodes. */
  readonly error: (error: Error, message: Message) => void;
  /** A text of the catalogue. */
  readonly t: (key: string) => string;
  readonly timers?: Timers;
  readonly pauses?: { readonly firstRetryMs: number; readonly longestRetryMs: number };
}

/**
 * An input as a source of messages: one for each wanted change, and one with the value when it is opened, if asked for.
 * A line that cannot be had is told once as an error, stands in the status, and is tried again.
 */
export class GpioInController {
  readonly #options: GpioInOptions;
  readonly #settings: ReturnType<typeof readSettings>;
  readonly #line: GpioLine<InputLine>;

  /** @throws NodeError `bad-settings` */
  constructor(options: GpioInOptions) {
    this.#options = options;
    this.#settings = readSettings(options.config);
    this.#line = new GpioLine({
      open: (lost) => this.#open(lost),
      opened: (line) => this.#opened(line),
      problem: (error) => this.#problem(error),
      timers: options.timers ?? systemTimers,
      ...(options.pauses ?? retryPauses),
    });
  }

  /** Opens the line, once the flows run: what is sent before reaches nobody. */
  start(): Promise<void> {
    return this.#line.start();
  }

  /** Releases the line. */
  stop(): Promise<void> {
    return this.#line.stop();
  }

  // Asynchronous, so that a URI that is none is a problem of the line as well.
  async #open(onLost: (error: GpioError) => void): Promise<InputLine> {
    const { chip, ...line } = this.#settings;
    const owner = ownerName(this.#options.config);
    return this.#options.openChip(chip).openInput({ ...line, owner, onEdge: (event) => this.#edge(event), onLost });
  }

  #opened({ value, line }: InputLine): void {
    this.#show(value);
    if (!this.#options.config.sendInitial) return;
    const { timers = systemTimers } = this.#options;
    this.#send(value, { line, initial: true, monotonicMs: timers.now() });
  }

  #edge({ value, edge, monotonicMs }: LineEvent): void {
    this.#show(value);
    this.#send(value, { line: this.#line.line?.line, edge, monotonicMs });
  }

  #send(value: Level, gpio: Record<string, unknown>): void {
    const payload = this.#options.config.payload === 'boolean' ? value === 1 : value;
    this.#options.send({ topic: this.#topic(), payload, gpio });
  }

  #show(value: Level): void {
    this.#options.status({
      fill: value === 1 ? 'green' : 'grey',
      shape: value === 1 ? 'dot' : 'ring',
      text: String(value),
    });
  }

  #problem(error: LineProblem): void {
    const { status, t } = this.#options;
    status({ fill: 'red', shape: 'ring', text: t(statusKey('gpio-in', error)) });
    this.#options.error(error, { topic: this.#topic() });
  }

  #topic(): string {
    const { line } = this.#settings;
    return /^\d+$/.test(line) ? `GPIO${line}` : line;
  }
}

function readSettings(config: GpioInConfig) {
  choiceSetting('payload', config.payload, ['number', 'boolean']);
  return {
    ...lineSettings(config),
    edges: choiceSetting<Edges>('edges', config.edges, ['both', 'rising', 'falling']),
    pull: choiceSetting<Pull>('pull', config.pull, ['as-is', 'none', 'up', 'down']),
    debounceMs: numberSetting('debounce', config.debounce, { min: 0, max: 60_000, otherwise: 0 }),
    activeLow: config.activeLow === true,
  };
}
