/**
 * A small file system of its own (ext4 in a file), mounted in a mount namespace that only the processes of this test
 * enter: it is gone with them, whatever happens to the test. Needs root on Linux.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TemporaryFolder } from '../temporary.ts';
import { until } from './program.ts';

export class SmallDisk {
  /** Where it is mounted, seen from inside. */
  readonly path: string;
  readonly #holder: ChildProcess;

  private constructor(path: string, holder: ChildProcess) {
    this.path = path;
    this.#holder = holder;
  }

  /** Makes and mounts one of that many bytes; a text says why that is not possible here. */
  static async mount(folder: TemporaryFolder, bytes: number): Promise<SmallDisk | string> {
    if (process.getuid?.() !== 0) return 'only root may mount';
    const image = folder.file('disk.image');
    const path = folder.file('disk');
    mkdirSync(path);
    writeFileSync(image, '');
    truncateSync(image, bytes);
    try {
      // Without room that only root may use: the gateway of this test is root.
      execFileSync('mkfs.ext4', ['-q', '-m', '0', image], { stdio: 'pipe' });
    } catch (error) {
      return `no ext4 can be made: ${(error as Error).message.split('\n')[0]}`;
    }
    const script = 'mount -o loop "$0" "$1" && echo mounted && exec sleep 3600';
    const holder = spawn(
      'setpriv',
      ['--pdeathsig', 'KILL', '--', 'unshare', '-m', '--propagation', 'private', 'sh', '-c', script, image, path],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let output = '';
    holder.on('error', (error) => {
      output += error.message;
    });
    for (const stream of [holder.stdout, holder.stderr]) stream?.on('data', (chunk) => (output += chunk));
    await until(() => output !== '' || holder.exitCode !== null, 'the disk is mounted');
    if (!output.includes('mounted')) return `it cannot be mounted: ${output.trim()}`;
    return new SmallDisk(path, holder);
  }

  /** Words before a command that shall see the disk. */
  get before(): string[] {
    return ['nsenter', '-m', '-t', String(this.#holder.pid), '--'];
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.#outside(''));
    return bavail * bsize;
  }

  /** Takes all but `freeBytes` of the room (0: to the last byte), with a file that is not the gateway's. */
  occupy(freeBytes: number): void {
    const file = this.#outside('other-things');
    rmSync(file, { force: true });
    const chunk = Buffer.alloc(64 * 1024, 1);
    try {
      while (this.freeBytes > freeBytes || freeBytes === 0) writeFileSync(file, chunk, { flag: 'a' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }

  /** Gives that room back. */
  release(): void {
    rmSync(this.#outside('other-things'), { force: true });
  }

  unmount(): void {
    this.#holder.kill('SIGKILL');
  }

  #outside(name: string): string {
    return join(`/proc/${this.#holder.pid}/root${this.path}`, name);
  }
}
