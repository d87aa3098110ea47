import type { Timers } from './timers.ts';

export interface HeldFramesOptions {
  readonly timers: Timers;
  /** Frames that were given up: nobody came in time, or there were too many. */
  readonly onUnread: (count: number) => void;
}

const maxBytes = 1024 * 1024;

/** Frames that came while nobody read: from the last reader's leaving, for a while, until the next comes. */
export class HeldFrames {
  readonly #options: HeldFramesOptions;
  #frames: Buffer[] = [];
  #bytes = 0;
  #holding = false;
  #expiry: { cancel(): void } | undefined;
  #release: NodeJS.Immediate | undefined;

  constructor(options: HeldFramesOptions) {
    this.#options = options;
  }

  /** The last reader has left: keeps what comes for `holdMs`. */
  hold(holdMs: number): void {
    this.#stopRelease();
    this.#holding = true;
    this.#expiry?.cancel();
    this.#expiry = this.#options.timers.after(holdMs, () => this.#giveUp());
  }

  /** Keeps the frame; false when nothing is being kept now. */
  take(frame: Buffer): boolean {
    if (!this.#holding) return false;
    this.#frames.push(frame);
    this.#bytes += frame.length;
    let lost = 0;
    while (this.#bytes > maxBytes) {
      this.#bytes -= this.#frames.shift()!.length;
      lost++;
    }
    if (lost > 0) this.#options.onUnread(lost);
    return true;
  }

  /** Before all others; only while frames are kept. */
  putBack(frames: readonly Buffer[]): void {
    if (!this.#holding) return;
    this.#frames.unshift(...frames);
    for (const frame of frames) this.#bytes += frame.length;
  }

  /**
   * A reader has come: gives it all at the end of this turn of the event loop, so that readers who come together all get
   * them; frames that come in between keep their place behind.
   */
  release(give: (frame: Buffer) => void): void {
    if (!this.#holding || this.#release) return;
    this.#expiry?.cancel();
    this.#release = setImmediate(() => {
      const frames = this.#frames;
      this.clear();
      for (const frame of frames) give(frame);
    });
  }

  /** Takes away what is kept, for another place. */
  takeAll(): readonly Buffer[] {
    const frames = this.#frames;
    this.#frames = [];
    this.#bytes = 0;
    return frames;
  }

  clear(): void {
    this.#stopRelease();
    this.#expiry?.cancel();
    this.#holding = false;
    this.#frames = [];
    this.#bytes = 0;
  }

  #stopRelease(): void {
    clearImmediate(this.#release);
    this.#release = undefined;
  }

  #giveUp(): void {
    const count = this.#frames.length;
    this.clear();
    if (count > 0) this.#options.onUnread(count);
  }
}
