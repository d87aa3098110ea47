import type { GpioError, Level, OutputLine } from '@holdfast/hardware/gpio';
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
import { NodeError } from '../shared/node-error.ts';
import type { Done, Message, NodeStatus } from '../shared/node-red.ts';
import { systemTimers, type Timers } from '../shared/timers.ts';

/** What the dialog of `gpio out` saves; numbers may be text. */
export interface GpioOutConfig extends GpioConfig {
  readonly initial?: '0' | '1';
  readonly atStop?: 'keep' | '0' | '1';
  /** 0: stays as written. */
  readonly pulse?: number | string;
  readonly inverted?: boolean;
}

/** Version 1 is the first one. */
export const migrations: readonly Migration[] = [(config) => config];

export interface GpioOutOptions {
  readonly config: GpioOutConfig;
  readonly openChip: OpenChip;
  readonly status: (status: NodeStatus) => void;
  /** For `catch` nodes, when no message is concerned. */
  readonly error: (error: Error, message: Message) => void;
  readonly t: (key: string) => string;
  readonly timers?: Timers;
  readonly pauses?: { readonly firstRetryMs: number; readonly longestRetryMs: number };
}

/**
 * An output that messages set. What cannot be done now is an error and is not done later: a relay that switches by
 * itself when a board comes back would be worse than one that did not.
 */
export class GpioOutController {
  readonly #options: GpioOutOptions;
  readonly #settings: ReturnType<typeof readSettings>;
  readonly #line: GpioLine<OutputLine>;
  #endPulse: (() => void) | undefined;

  /** @throws NodeError `bad-settings` */
  constructor(options: GpioOutOptions) {
    this.#options = options;
    this.#settings = readSettings(options.config);
    this.#line = new GpioLine({
      open: (lost) => this.#open(lost),
      opened: ({ value }) => this.#show(value),
      problem: (error) => this.#problem(error),
      timers: options.timers ?? systemTimers,
      ...(options.pauses ?? retryPauses),
    });
  }

  /** Opens the line, with its initial value, once the flows run: `catch` nodes hear of no error before. */
  start(): Promise<void> {
    return this.#line.start();
  }

  /** Sets the line to `message.payload`; `done` is called when that is done, or with what went wrong. */
  async input(message: Message, done: Done): Promise<void> {
    try {
      const value = levelOf(message.payload);
      await this.#line.start();
      const line = this.#line.line;
      if (!line) throw this.#line.problem ?? new NodeError('lost', 'the line is not open');
      await this.#set(line, value);
      done();
    } catch (error) {
      done(error as Error);
    }
  }

  /** Ends a pulse, sets the value at stop and releases the line. */
  async stop(): Promise<void> {
    if (this.#endPulse) {
      this.#cancelPulse();
      // What goes wrong now is the driver's to tell no more: the line is being closed.
      await this.#line.line?.write(0).catch(() => undefined);
    }
    await this.#line.stop();
  }

  // Asynchronous, so that a URI that is none is a problem of the line as well.
  async #open(onLost: (error: GpioError) => void): Promise<OutputLine> {
    const { chip, line, initial, atStop, activeLow } = this.#settings;
    const owner = ownerName(this.#options.config);
    const atClose = atStop === undefined ? {} : { atClose: atStop };
    return this.#options.openChip(chip).openOutput({ line, owner, initial, activeLow, ...atClose, onLost });
  }

  async #set(line: OutputLine, value: Level): Promise<void> {
    const { pulseMs } = this.#settings;
    this.#cancelPulse();
    await line.write(value);
    this.#show(value);
    if (value === 0 || pulseMs === 0) return;
    // Another message may have begun its pulse while this one was written.
    this.#cancelPulse();
    this.#endPulse = (this.#options.timers ?? systemTimers).after(pulseMs, () => {
      this.#endPulse = undefined;
      // A line that is gone has told so by itself.
      line.write(0).then(
        () => this.#show(0),
        () => undefined,
      );
    });
  }

  #cancelPulse(): void {
    this.#endPulse?.();
    this.#endPulse = undefined;
  }

  #show(value: Level): void {
    this.#options.status({
      fill: value === 1 ? 'green' : 'grey',
      shape: value === 1 ? 'dot' : 'ring',
      text: String(value),
    });
  }

  #problem(error: LineProblem): void {
    this.#cancelPulse();
    const { status, t } = this.#options;
    status({ fill: 'red', shape: 'ring', text: t(statusKey('gpio-out', error)) });
    this.#options.error(error, {});
  }
}

/** 0, 1, false, true, "off" or "on". @throws NodeError `bad-input` */
export function levelOf(payload: unknown): Level {
  if (payload === 1 || payload === true || payload === 'on') return 1;
  if (payload === 0 || payload === false || payload === 'off') return 0;
  throw new NodeError('bad-input', 'msg.payload must be 0, 1, false, true, "off" or "on"');
}

function readSettings(config: GpioOutConfig) {
  const atStop = choiceSetting('the value at stop', config.atStop, ['keep', '0', '1']);
  return {
    ...lineSettings(config),
    initial: level(choiceSetting('the initial value', config.initial, ['0', '1'])),
    atStop: atStop === 'keep' ? undefined : level(atStop),
    pulseMs: numberSetting('the pulse', config.pulse, { min: 0, max: 3_600_000, otherwise: 0 }),
    activeLow: config.inverted === true,
  };
}

function level(text: '0' | '1'): Level {
  return text === '1' ? 1 : 0;
}
