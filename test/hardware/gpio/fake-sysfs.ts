/**
 * A folder that looks like /sys/class/gpio of some machine, a kernel that answers what is written there, and a stand-in
 * for the class `Gpio` of onoff on top of it. The real onoff can run on no folder but the kernel's own: its path is
 * fixed, and epoll refuses ordinary files. The stand-in keeps onoff's habits: values are read anew at each interrupt,
 * a read of a line that is gone throws (inside the interrupt, too), unexport closes.
 */
import { EventEmitter } from 'node:events';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Level } from '@holdfast/hardware/gpio';
import { temporaryFolder } from '../../support/temporary.ts';

export interface FakeChip {
  readonly folder: string;
  readonly label: string;
  readonly base: number;
  readonly lines: number;
}

interface Line {
  direction: 'in' | 'out';
  activeLow: boolean;
}

export class FakeSysfs extends EventEmitter<{ change: [number: number] }> {
  readonly root: string;
  readonly #levels = new Map<number, Level>();
  readonly #lines = new Map<number, Line>();
  readonly #chips: readonly FakeChip[];
  /** Numbers that another program holds. */
  readonly held = new Set<number>();
  /** What a write to `export` fails with. */
  exportFails: string | undefined;
  /** The file `edge` cannot be written; onoff passes over that. */
  edgeFails = false;

  constructor(chips: readonly FakeChip[]) {
    super();
    this.root = temporaryFolder().path;
    this.#chips = chips;
    for (const name of ['export', 'unexport']) writeFileSync(join(this.root, name), '');
    for (const { folder, label, base, lines } of chips) {
      mkdirSync(join(this.root, folder));
      for (const [file, text] of Object.entries({ label, base, ngpio: lines })) {
        writeFileSync(join(this.root, folder, file), `${text}\n`);
      }
    }
  }

  /** What the driver writes with. */
  readonly files = {
    write: async (path: string, text: string) => {
      const name = basename(path);
      if (name === 'export') this.#export(Number(text));
      else if (name === 'unexport') this.unexport(Number(text));
      else this.#set(Number(basename(dirname(path)).slice('gpio'.length)), name, text);
    },
  };

  /** Drives an electrical level from outside. */
  drive(number: number, level: Level): void {
    this.#levels.set(number, level);
    this.emit('change', number);
  }

  level(number: number): Level {
    return this.#levels.get(number) ?? 0;
  }

  exported(): number[] {
    return [...this.#lines.keys()];
  }

  unexport(number: number): void {
    if (!this.#lines.delete(number)) throw failed('EINVAL');
    rmSync(join(this.root, `gpio${number}`), { recursive: true });
    // The kernel wakes up whoever waits for the line.
    this.emit('change', number);
  }

  /** What a read of the line's value gives. */
  read(number: number): Level {
    const line = this.#line(number);
    return (this.level(number) ^ Number(line.activeLow)) as Level;
  }

  #export(number: number): void {
    if (this.exportFails) throw failed(this.exportFails);
    if (!this.#chips.some(({ base, lines }) => number >= base && number < base + lines)) throw failed('EINVAL');
    if (this.#lines.has(number) || this.held.has(number)) throw failed('EBUSY');
    this.#lines.set(number, { direction: 'in', activeLow: false });
    const folder = join(this.root, `gpio${number}`);
    mkdirSync(folder);
    for (const file of ['value', 'direction', 'active_low', 'edge']) writeFileSync(join(folder, file), '');
  }

  #set(number: number, name: string, text: string): void {
    const line = this.#line(number);
    if (name === 'active_low') line.activeLow = text === '1';
    else if (name === 'direction') {
      line.direction = text === 'in' ? 'in' : 'out';
      if (line.direction === 'out') this.#levels.set(number, text === 'high' ? 1 : 0);
    } else if (name === 'value') {
      if (line.direction !== 'out') throw failed('EPERM');
      this.#levels.set(number, (Number(text) ^ Number(line.activeLow)) as Level);
    }
  }

  #line(number: number): Line {
    const line = this.#lines.get(number);
    if (!line) throw failed('ENOENT');
    return line;
  }

  /** The stand-in for onoff's `Gpio`. */
  onoff() {
    const kernel = this;
    return class Gpio {
      readonly #number: number;
      #listener: (() => void) | undefined;

      constructor(number: number, direction: 'in', _edge: 'both', { activeLow }: { activeLow: boolean }) {
        this.#number = number;
        if (!existsSync(join(kernel.root, `gpio${number}`))) kernel.#export(number);
        kernel.#set(number, 'active_low', activeLow ? '1' : '0');
        kernel.#set(number, 'direction', direction);
      }

      readSync(): Level {
        return kernel.read(this.#number);
      }

      watch(callback: (error: Error | null, value: Level) => void): void {
        this.#listener = () => callback(null, this.readSync());
        kernel.on('change', (number) => {
          if (number === this.#number) this.#listener?.();
        });
      }

      direction(): string {
        return kernel.#line(this.#number).direction;
      }

      edge(): string {
        return kernel.edgeFails ? 'none' : 'both';
      }

      unexport(): void {
        this.#listener = undefined;
        if (kernel.exported().includes(this.#number)) kernel.unexport(this.#number);
      }
    };
  }
}

/** The chips of a machine as its kernel shows them, from test/hardware/gpio/machines.json. */
export async function machines(): Promise<Machine[]> {
  return JSON.parse(await readFile(join(import.meta.dirname, 'machines.json'), 'utf8'));
}

export interface Machine {
  readonly machine: string;
  /** /proc/device-tree/model without its closing zero. */
  readonly model: string;
  readonly board: string;
  /** Global number of BCM 17. */
  readonly bcm17: number;
  readonly chips: readonly FakeChip[];
}

function failed(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: simulated`), { code });
}
