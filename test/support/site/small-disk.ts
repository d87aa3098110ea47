/**
 * A small file system of its own (ext4 in a file), mounted in a mount namespace that only the processes of this test
 * enter: it is gone with them, whatever happens to the test. Needs root on Linux.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TemporaryFolder } from '../temporary.ts';
import { until } from '../until.ts';

/** The ioctl FS_IOC_SHUTDOWN, with "neither what is dirty nor the journal's open transaction is written". */
const goDown = `open(my $folder, '<', $ARGV[0]) or die $!; my $how = pack('L', 2); ioctl($folder, 0x8004587d, $how) or die $!`;

/** As a restless site mounts it: ext4 does not write a file's bytes by itself before a rename. */
const mounting = 'mount -o loop,noauto_da_alloc "$0" "$1"';

export class SmallDisk {
  /** Where it is mounted, seen from inside. */
  readonly path: string;
  readonly #image: string;
  readonly #holder: ChildProcess;

  private constructor(path: string, image: string, holder: ChildProcess) {
    this.path = path;
    this.#image = image;
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
    const script = `${mounting} && echo mounted && exec sleep 3600`;
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
    return new SmallDisk(path, image, holder);
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

  /**
   * The power goes: from this instant on nothing reaches the device any more, every call fails, and what was written and
   * not synced is forgotten, names included. The processes on it are the caller's to kill, before `powerOn`.
   */
  powerOff(): void {
    execFileSync('perl', ['-e', goDown, this.#outside('')], { stdio: 'pipe' });
  }

  /** The power comes back: the file system as the device has it, after its journal has been replayed. */
  async powerOn(): Promise<void> {
    const [nsenter, ...words] = this.before as [string, ...string[]];
    const inside = (script: string) =>
      execFileSync(nsenter, [...words, 'sh', '-c', script, this.#image, this.path], { stdio: 'pipe' });
    await until(
      () => {
        inside('umount "$1"');
        return true;
      },
      'nobody is on the disk any more',
      10_000,
      50,
    );
    inside(mounting);
  }

  unmount(): void {
    this.#holder.kill('SIGKILL');
  }

  #outside(name: string): string {
    return join(`/proc/${this.#holder.pid}/root${this.path}`, name);
  }
}
