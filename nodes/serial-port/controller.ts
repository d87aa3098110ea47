import {
  type LineLease,
  type LineState,
  type LineUser,
  nodeTimers,
  SerialError,
  type SerialLine,
  type SerialLines,
  type Timers,
} from '@holdfast/hardware/serial';
import type { Migration } from '../shared/migrate.ts';
import { lineRequest, type SerialPortConfig } from '../shared/serial-config.ts';

/** From version 0 (saved before there were versions) to 1 nothing changed. */
export const migrations: readonly Migration[] = [(config) => config];

/** What a port is at, for people: as the driver says, or that its settings cannot be used. */
export interface SerialPortState {
  readonly state: LineState | 'invalid' | 'conflict';
  readonly error?: SerialError | undefined;
}

/** As `LineUser`; the states are those of the node. */
export interface SerialUser {
  frame?(frame: Buffer): void;
  dropped?: NonNullable<LineUser['dropped']>;
  state?(state: SerialPortState): void;
}

export interface SerialPortOptions {
  readonly config: SerialPortConfig;
  /** How the node is called in the error of a conflict. */
  readonly owner: string;
  readonly lines: SerialLines;
  /** Problems of the settings; those of the device are only states. */
  readonly fail: (error: SerialError) => void;
  readonly timers?: Timers;
}

const conflictRetryMs = 2_000;

/**
 * A share of a serial line for all nodes that refer to this port. Nodes join at any time, also while the line cannot be
 * had because another node has it with other settings; that is tried again.
 */
export class SerialPortController {
  readonly #options: SerialPortOptions;
  readonly #timers: Timers;
  readonly #users = new Map<SerialUser, ((holdMs?: number) => void) | undefined>();
  #lease: LineLease | undefined;
  #problem: SerialError | undefined;
  #retry: { cancel(): void } | undefined;

  constructor(options: SerialPortOptions) {
    this.#options = options;
    this.#timers = options.timers ?? nodeTimers;
  }

  get state(): SerialPortState {
    if (this.#problem)
      return { state: this.#problem.code === 'conflict' ? 'conflict' : 'invalid', error: this.#problem };
    const line = this.#lease?.line;
    return { state: line?.state ?? 'closed', error: line?.error };
  }

  start(): void {
    this.#acquire();
  }

  /** Lets the line go; the users have left before, or leave now. */
  stop(lingerMs: number): void {
    this.#retry?.cancel();
    for (const [user, leave] of this.#users) {
      leave?.(lingerMs);
      this.#users.set(user, undefined);
    }
    this.#lease?.release(lingerMs);
    this.#lease = undefined;
  }

  /** @returns what ends it */
  join(user: SerialUser): (holdMs?: number) => void {
    this.#users.set(user, this.#attach(user));
    user.state?.(this.state);
    return (holdMs) => {
      this.#users.get(user)?.(holdMs);
      this.#users.delete(user);
    };
  }

  /** See `SerialLine.giveBack`. */
  giveBack(frames: readonly Buffer[]): void {
    this.#lease?.line.giveBack(frames);
  }

  /** See `SerialLine.write`; without a line its problem is the error. */
  async write(payload: Buffer, waitMs: number): Promise<void> {
    await this.#line().write(payload, waitMs);
  }

  /** See `SerialLine.request`. */
  async request(payload: Buffer, options: Parameters<SerialLine['request']>[1]): Promise<Buffer> {
    return await this.#line().request(payload, options);
  }

  #line(): SerialLine {
    if (this.#lease) return this.#lease.line;
    throw this.#problem ?? new SerialError('port-closed', 'the flow was stopped');
  }

  #acquire(): void {
    const { config, owner, lines, fail } = this.#options;
    const before = this.#problem?.code;
    try {
      this.#lease = lines.acquire(lineRequest(config, owner));
      this.#problem = undefined;
    } catch (error) {
      this.#problem =
        error instanceof SerialError
          ? error
          : new SerialError('invalid-settings', String((error as Error).message), error);
      if (this.#problem.code !== before) fail(this.#problem);
      // The other node may give way, be corrected or be removed without this one being made anew.
      if (this.#problem.code === 'conflict') {
        this.#retry = this.#timers.after(conflictRetryMs, () => this.#acquire());
      }
    }
    for (const user of this.#users.keys()) {
      this.#users.set(user, this.#attach(user));
      user.state?.(this.state);
    }
  }

  #attach(user: SerialUser): ((holdMs?: number) => void) | undefined {
    return this.#lease?.line.join({
      ...(user.frame && { frame: (frame: Buffer) => user.frame?.(frame) }),
      ...(user.dropped && { dropped: user.dropped }),
      state: () => user.state?.(this.state),
    });
  }
}
