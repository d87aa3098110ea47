/**
 * Pseudo terminals under names that stay, as a USB adapter has under /dev/serial/by-id. Each is a small process of its
 * own (support/pseudo-terminal.py, because Node.js cannot open one); killing it is unplugging.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';

/** A device that can be plugged in and out under one name; constructed unplugged. */
export class PtyDevice {
  /** What the port's URI names. */
  readonly path: string;
  #process: ChildProcessWithoutNullStreams | undefined;
  #received: Buffer[] = [];
  #listener: ((bytes: Buffer) => void) | undefined;

  constructor(path: string) {
    this.path = path;
  }

  get uri(): string {
    return `tty:${this.path}`;
  }

  /** Resolves, with the path behind the name, when the name can be opened. */
  async plug(): Promise<string> {
    const child = spawn('python3', ['-B', join(import.meta.dirname, 'pseudo-terminal.py'), this.path]);
    this.#process = child;
    child.stdout.on('data', (bytes: Buffer) => {
      this.#received.push(bytes);
      this.#listener?.(bytes);
    });
    child.stdin.on('error', () => {});
    const [line] = (await once(child.stderr, 'data')) as [Buffer];
    const slave = line.toString().trim();
    if (!slave.startsWith('/dev/')) throw new Error(`no pseudo terminal: ${slave}`);
    return slave;
  }

  /** The device is gone, then its name. Resolves when both are. */
  async unplug(): Promise<void> {
    const child = this.#process;
    if (!child) return;
    this.#process = undefined;
    const exited = child.exitCode === null ? once(child, 'exit') : undefined;
    child.kill('SIGKILL');
    await exited;
    rmSync(this.path, { force: true });
  }

  /** The device sends; false when the helper is to be given time (`drained`). */
  send(bytes: Buffer | string): boolean {
    return this.#process?.stdin.write(bytes) ?? false;
  }

  /** Resolves when the pseudo terminal takes more, or is gone. */
  async drained(): Promise<void> {
    const input = this.#process?.stdin;
    if (!input?.writableNeedDrain) return;
    const over = new AbortController();
    // Unplugged meanwhile, it takes nothing any more.
    await Promise.race(['drain', 'close'].map((event) => once(input, event, { signal: over.signal }))).catch(() => {});
    over.abort();
  }

  /** What it received until now. */
  get received(): Buffer {
    return Buffer.concat(this.#received);
  }

  onReceive(listener: ((bytes: Buffer) => void) | undefined): void {
    this.#listener = listener;
  }
}
