import { SerialError } from './errors.ts';
import type { Framing } from './framing/framing.ts';
import { defaultMaxFrameBytes } from './framing/framing.ts';
import { describeFraming, validateFraming } from './framing/index.ts';
import { createPort, parseUri } from './open.ts';
import { describeSettings, type SerialSettings, validateSettings } from './port.ts';
import { SerialLine } from './serial-line.ts';
import { nodeTimers, type Timers } from './timers.ts';

export interface LineRequest {
  readonly uri: string;
  readonly settings?: Partial<SerialSettings>;
  readonly framing: Framing;
  readonly maxFrameBytes?: number;
  /** Who wants it, for people to read in the error of a conflict. */
  readonly owner: string;
}

export interface LineLease {
  readonly line: SerialLine;
  /** Lets go; again does nothing. `lingerMs`: how long the line stays open when this was the last owner. */
  release(lingerMs?: number): void;
}

interface Entry {
  readonly line: SerialLine;
  readonly description: string;
  readonly owners: Map<symbol, string>;
  linger: { cancel(): void } | undefined;
}

/**
 * The lines of a process, by URI. Those who name the same URI share one line and must want the same of it. After its last
 * owner a line stays open for a while with all it holds, so that deploying a flow anew loses no byte.
 */
export class SerialLines {
  readonly #timers: Timers;
  readonly #lingerMs: number;
  readonly #pauseMs: { readonly first: number; readonly most: number } | undefined;
  readonly #entries = new Map<string, Entry>();
  /** Lines that are being closed: a new one with that URI opens after them. */
  readonly #closing = new Map<string, Promise<void>>();

  constructor(
    options: { timers?: Timers; lingerMs?: number; pauseMs?: { readonly first: number; readonly most: number } } = {},
  ) {
    this.#timers = options.timers ?? nodeTimers;
    this.#lingerMs = options.lingerMs ?? 2_000;
    this.#pauseMs = options.pauseMs;
  }

  /** The line of the URI when there is one, lingering or in use. */
  get(uri: string): SerialLine | undefined {
    return this.#entries.get(canonical(uri))?.line;
  }

  /**
   * A share of the line; opened when it is the first.
   *
   * @throws SerialError `invalid-uri`, `invalid-settings`, `invalid-framing`, or `conflict` when somebody has it with
   * other settings
   */
  acquire(request: LineRequest): LineLease {
    const { framing, maxFrameBytes = defaultMaxFrameBytes, owner } = request;
    const uri = canonical(request.uri);
    const settings = validateSettings(request.settings);
    validateFraming(framing, maxFrameBytes);
    const description = `${describeSettings(settings)}, ${describeFraming(framing)}, frames up to ${maxFrameBytes} bytes`;
    let entry = this.#entries.get(uri);
    /** What was received under the old settings and nobody has read yet. */
    let kept: readonly Buffer[] = [];
    if (entry && entry.description !== description) {
      if (entry.owners.size > 0) {
        const others = [...entry.owners.values()].join(', ');
        throw new SerialError(
          'conflict',
          `${uri} is shared, with different settings: ${others} set ${entry.description}; ${owner} set ${description}`,
        );
      }
      kept = entry.line.takeKept();
      this.#close(uri, entry);
      entry = undefined;
    }
    if (!entry) {
      const line = new SerialLine({
        uri,
        settings,
        framing,
        maxFrameBytes,
        make: () => createPort(uri, settings),
        timers: this.#timers,
        holdMs: this.#lingerMs,
        ...(this.#pauseMs && { pauseMs: this.#pauseMs }),
      });
      entry = { line, description, owners: new Map(), linger: undefined };
      this.#entries.set(uri, entry);
      line.start(this.#closing.get(uri));
      line.giveBack(kept);
    }
    return this.#lease(uri, entry, owner);
  }

  /** Ends the lingering: whoever wanted a line again has it now. */
  closeUnused(): void {
    for (const [uri, entry] of this.#entries) if (entry.owners.size === 0) this.#close(uri, entry);
  }

  /** Closes all at once, lingering or not; for the end of a process or a test. */
  async closeAll(): Promise<void> {
    for (const [uri, entry] of this.#entries) this.#close(uri, entry);
    await Promise.all(this.#closing.values());
  }

  #lease(uri: string, entry: Entry, owner: string): LineLease {
    const id = Symbol(owner);
    entry.owners.set(id, owner);
    entry.linger?.cancel();
    entry.linger = undefined;
    return {
      line: entry.line,
      release: (lingerMs = this.#lingerMs) => {
        if (!entry.owners.delete(id) || entry.owners.size > 0) return;
        entry.linger = this.#timers.after(lingerMs, () => this.#close(uri, entry));
      },
    };
  }

  #close(uri: string, entry: Entry): void {
    if (this.#entries.get(uri) !== entry) return;
    entry.linger?.cancel();
    this.#entries.delete(uri);
    const closed = Promise.all([this.#closing.get(uri), entry.line.stop()]).then(() => {
      if (this.#closing.get(uri) === closed) this.#closing.delete(uri);
    });
    this.#closing.set(uri, closed);
  }
}

function canonical(uri: string): string {
  const parsed = parseUri(uri);
  if (parsed.scheme === 'tty') return `tty:${parsed.path}`;
  if (parsed.scheme === 'sim') return `sim:${parsed.name}`;
  return `tcp:${parsed.host.includes(':') ? `[${parsed.host}]` : parsed.host}:${parsed.port}`;
}

/** Those of this process: every node uses these. */
export const serialLines = new SerialLines();
