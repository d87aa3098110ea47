import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BoxSettings } from '../../../nodes/shared/node-red.ts';
import { Program } from './processes.ts';

const root = join(import.meta.dirname, '../../..');

/** Node-RED as it comes; only the palette, and where its nodes find a gateway, are ours. */
export class PlainNodeRed {
  readonly #words: readonly string[];
  #program: Program | undefined;

  constructor({ folder, flow, box, port }: { folder: string; flow: string; box: BoxSettings; port: number }) {
    const settings = {
      flowFile: flow,
      nodesDir: [join(root, 'nodes')],
      uiHost: '127.0.0.1',
      uiPort: port,
      holdfast: box,
    };
    const file = join(folder, 'settings.cjs');
    writeFileSync(file, `module.exports = ${JSON.stringify(settings)};\n`);
    this.#words = [join(root, 'node_modules/node-red/red.js'), '--userDir', join(folder, 'plain'), '--settings', file];
  }

  get pid(): number {
    return this.#program!.pid;
  }

  /** Resolves with the milliseconds until its flows run. */
  async start(): Promise<number> {
    const started = performance.now();
    const program = new Program(process.execPath, this.#words);
    this.#program = program;
    while (!program.output.includes('Started flows')) {
      if (!program.isRunning) throw new Error(`Node-RED ended:\n${program.output}`);
      await sleep(2);
    }
    return performance.now() - started;
  }

  async end(): Promise<void> {
    await this.#program?.end('SIGKILL');
    this.#program = undefined;
  }
}
