import { SerialError } from './errors.ts';
import type { DropReason, Framer, Framing } from './framing/framing.ts';
import { defaultMaxFrameBytes } from './framing/framing.ts';
import { createFramer, encodeFrame } from './framing/index.ts';
import { HeldFrames } from './held-frames.ts';
import { LastingPort, type LineState } from './lasting-port.ts';
import type { SerialPort, SerialSettings } from './port.ts';
import { RequestQueue } from './request-queue.ts';
import { nodeTimers, type Timers } from './timers.ts';

export interface SerialLineOptions {
  readonly uri: string;
  readonly settings: SerialSettings;
  readonly framing: Framing;
  readonly maxFrameBytes?: number;
  readonly make: () => SerialPort;
  readonly timers?: Timers;
  /** How long frames are kept while no reader is there, in milliseconds; default 2,000. */
  readonly holdMs?: number;
  readonly pauseMs?: { readonly first: number; readonly most: number };
  readonly maxQueuedBytes?: number;
}

/** A flow with many nodes takes its time to start on a small computer. */
const firstReaderMs = 10_000;

/** Who wants to hear of a line; what is absent is not told. */
export interface LineUser {
  /** Every frame that is no answer to a request. The buffer is shared among users: not to be changed. */
  frame?(frame: Buffer): void;
  state?(state: LineState, error: SerialError | undefined): void;
  /** Bytes that made no frame. */
  dropped?(reason: DropReason, bytes: number): void;
}

/** Of one line since it was made. */
export class LineCounters {
  bytesIn = 0;
  bytesOut = 0;
  frames = 0;
  opened = 0;
  lost = 0;
  lateAnswers = 0;
  /** Frames without a reader, kept too long or too many. */
  unread = 0;
  readonly dropped: Record<DropReason, number> = { overlong: 0, malformed: 0, unfinished: 0 };
}

/**
 * A lasting port with its framing, shared by any number of users in this process.
 *
 * A frame goes to the request that waits for an answer, else to every reader. With no reader at all it is kept for the
 * one that comes within `holdMs`: a flow that is deployed anew lacks none. What was half read at a loss is dropped.
 */
export class SerialLine {
  readonly uri: string;
  readonly settings: SerialSettings;
  readonly framing: Framing;
  readonly maxFrameBytes: number;
  readonly counters = new LineCounters();
  readonly #timers: Timers;
  readonly #port: LastingPort;
  readonly #framer: Framer;
  readonly #requests: RequestQueue;
  readonly #users = new Set<LineUser>();
  readonly #held: HeldFrames;
  readonly #holdMs: number;
  #gap: { cancel(): void } | undefined;

  constructor(options: SerialLineOptions) {
    const { uri, settings, framing, maxFrameBytes = defaultMaxFrameBytes, timers = nodeTimers } = options;
    this.uri = uri;
    this.settings = settings;
    this.framing = framing;
    this.maxFrameBytes = maxFrameBytes;
    this.#timers = timers;
    this.#holdMs = options.holdMs ?? 2_000;
    this.#framer = createFramer({
      framing,
      maxFrameBytes,
      sink: { frame: (frame) => this.#frame(frame), dropped: (reason, bytes) => this.#dropped(reason, bytes) },
    });
    this.#held = new HeldFrames({
      timers,
      onUnread: (count) => {
        this.counters.unread += count;
      },
    });
    this.#port = new LastingPort({
      name: uri,
      make: options.make,
      timers,
      onData: (bytes) => this.#data(bytes),
      onState: (state, error) => this.#state(state, error),
      writeMs: (bytes) => 10_000 + (bytes * 12_000) / settings.baudRate,
      ...(options.pauseMs && { pauseMs: options.pauseMs }),
      ...(options.maxQueuedBytes && { maxQueuedBytes: options.maxQueuedBytes }),
    });
    this.#requests = new RequestQueue({
      name: uri,
      timers,
      send: (payload, waitMs) => this.write(payload, waitMs),
      onLate: () => {
        this.counters.lateAnswers++;
      },
    });
  }

  get state(): LineState {
    return this.#port.state;
  }

  get error(): SerialError | undefined {
    return this.#port.error;
  }

  /** For modem lines, break and speed; undefined while the port is not open. */
  get port(): SerialPort | undefined {
    return this.#port.port;
  }

  start(after?: Promise<void>): void {
    // The first reader may come a little later than the first byte.
    this.#held.hold(firstReaderMs);
    this.#port.start(after);
  }

  async stop(): Promise<void> {
    this.#requests.failAll(new SerialError('port-closed', `${this.uri} was closed`));
    await this.#port.stop();
    this.#gap?.cancel();
    this.#framer.reset();
    this.#held.clear();
  }

  /**
   * Tells `user` from now on; one that reads gets what was kept, a moment later, so that all who come now get it.
   *
   * @returns what ends it; the last reader may say for how long frames are kept for its successor
   */
  join(user: LineUser): (holdMs?: number) => void {
    this.#users.add(user);
    if (user.frame) this.#held.release((frame) => this.#give(frame));
    return (holdMs = this.#holdMs) => {
      if (this.#users.delete(user) && user.frame && !this.#hasReader()) this.#held.hold(holdMs);
    };
  }

  /** Frames that the last reader got and could not pass on before it left: the next one gets them first. */
  giveBack(frames: readonly Buffer[]): void {
    this.#held.putBack(frames);
  }

  /** Takes away the frames that are kept for a reader. */
  takeKept(): readonly Buffer[] {
    return this.#held.takeAll();
  }

  /** Writes one frame; see `LastingPort.write`, and `encodeFrame` for what else may fail. */
  async write(payload: Buffer, waitMs = 0): Promise<void> {
    const bytes = encodeFrame(this.framing, payload);
    await this.#port.write(bytes, waitMs);
    this.counters.bytesOut += bytes.length;
  }

  /**
   * Writes a frame and resolves with the next one that comes (and is accepted). One at a time for the whole line; after
   * one that was not answered in time the next waits until the late answer has passed, or `lateMs`.
   *
   * @throws SerialError `timeout`, `queue-full`, and those of `write`
   */
  request(
    payload: Buffer,
    options: { timeoutMs: number; waitMs?: number; lateMs?: number; accept?: (frame: Buffer) => boolean },
  ): Promise<Buffer> {
    return this.#requests.request(payload, options);
  }

  #data(bytes: Buffer): void {
    this.counters.bytesIn += bytes.length;
    this.#framer.push(bytes);
    const { gapMs } = this.#framer;
    if (gapMs === undefined) return;
    this.#gap?.cancel();
    this.#gap = this.#timers.after(gapMs, () => this.#framer.gap());
  }

  #frame(frame: Buffer): void {
    this.counters.frames++;
    if (this.#requests.offer(frame)) return;
    if (this.#held.take(frame)) return;
    if (this.#hasReader()) this.#give(frame);
    else this.counters.unread++;
  }

  #give(frame: Buffer): void {
    this.#tell((user) => user.frame?.(frame));
  }

  #dropped(reason: DropReason, bytes: number): void {
    this.counters.dropped[reason]++;
    this.#tell((user) => user.dropped?.(reason, bytes));
  }

  #state(state: LineState, error: SerialError | undefined): void {
    if (state === 'open') this.counters.opened++;
    if (state === 'lost') {
      this.counters.lost++;
      this.#gap?.cancel();
      this.#framer.reset();
      this.#requests.lost(error ?? new SerialError('port-lost', `${this.uri} is gone`));
    }
    this.#tell((user) => user.state?.(state, error));
  }

  /** A user that throws must neither end the reading nor keep the others from hearing; that it threw is a bug of it. */
  #tell(action: (user: LineUser) => void): void {
    for (const user of [...this.#users]) {
      try {
        action(user);
      } catch (error) {
        queueMicrotask(() => process.emitWarning(`a user of ${this.uri} failed: ${String(error)}`));
      }
    }
  }

  #hasReader(): boolean {
    for (const user of this.#users) if (user.frame) return true;
    return false;
  }
}
