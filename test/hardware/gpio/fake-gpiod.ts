/** A chip behind stand-ins for libgpiod's programs (fake-gpiod/gpiod), as on a Pi 5. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { GpiodTools, type Level } from '@holdfast/hardware/gpio';
import { temporaryFolder } from '../../support/temporary.ts';

export class FakeGpiod {
  readonly folder = temporaryFolder();
  readonly tools: GpiodTools;

  /** Starts nothing; the programs find their folder in the environment, so a process has one of these at a time. */
  constructor({ version }: { version: 1 | 2 }) {
    writeFileSync(this.folder.file('version'), String(version));
    for (const name of ['level', 'used', 'by', 'edges']) mkdirSync(this.folder.file(name));
    process.env.HOLDFAST_FAKE_GPIOD = this.folder.path;
    const path = (process.env.PATH ?? '').split(delimiter);
    this.tools = new GpiodTools({ folders: [join(import.meta.dirname, 'fake-gpiod'), ...path] });
  }

  async drive(line: number, level: Level): Promise<void> {
    if (this.level(line) === level) return;
    writeFileSync(this.folder.file(`level/${line}`), String(level));
    await this.#tell(line, String(level));
  }

  level(line: number): Level {
    const file = this.folder.file(`level/${line}`);
    return existsSync(file) && readFileSync(file, 'utf8').trim() === '1' ? 1 : 0;
  }

  /** The process that holds a line. */
  holder(line: number): number | undefined {
    const file = this.folder.file(`used/${line}`);
    return existsSync(file) ? Number(readFileSync(file, 'utf8')) : undefined;
  }

  /** What the last request asked for. */
  asked(what: 'bias' | 'debounce'): string {
    return readFileSync(this.folder.file(what), 'utf8').trim();
  }

  /** Ends the program that holds a line. */
  kill(line: number): void {
    process.kill(this.holder(line)!, 'SIGKILL');
  }

  async #tell(line: number, text: string): Promise<void> {
    if (this.holder(line) === undefined || !existsSync(this.folder.file(`edges/${line}`))) return;
    await appendFile(this.folder.file(`edges/${line}`), `${text}\n`);
  }
}
