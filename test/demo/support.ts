import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../support/temporary.ts';

const launcher = fileURLToPath(new URL('../../bin/holdfast', import.meta.url));
const running = new Set<ChildProcess>();

/** Ends what is left; for `test.after.each`. */
export function killDemos(): void {
  for (const child of running) child.kill('SIGKILL');
  running.clear();
}

/** The figures of a live line. */
interface Figures {
  readonly accepted: number;
  readonly pending: number;
  readonly delivered: number;
  readonly stored: number;
  readonly isUp: boolean;
  /** Answers to machines that asked whether they may print. */
  readonly granted: number;
  readonly byLease: number;
  readonly refused: number;
}

/** `holdfast demo` as a program of its own, told what to do by lines on its standard input. */
export class RunningDemo {
  readonly lines: string[] = [];
  readonly exit: Promise<number | null>;
  readonly #child: ChildProcess;

  constructor(folder: string, words: string[] = [], environment: Record<string, string> = {}) {
    const child = spawn(launcher, ['demo', '--data', folder, ...words], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    });
    running.add(child);
    this.#child = child;
    for (const output of [child.stdout!, child.stderr!]) {
      createInterface({ input: output }).on('line', (line) => this.lines.push(line));
    }
    this.exit = once(child, 'close').then(([code]) => {
      running.delete(child);
      return code as number | null;
    });
  }

  say(word: string): void {
    this.#child.stdin!.write(`${word}\n`);
  }

  terminate(): void {
    this.#child.kill('SIGTERM');
  }

  /** The newest live line. */
  get figures(): Figures | undefined {
    const line = this.lines.findLast((each) => each.startsWith('accepted ') && each.includes('uplink'));
    const parts = line?.match(
      /^accepted (\d+) {2}pending (\d+) {2}delivered (\d+) {2}.*database (\d+) {2}uplink (\w+)/,
    );
    const asked = line?.match(/authorization granted (\d+) \((\d+) by lease\)(?:, refused (\d+))?/);
    if (!parts || !asked) return undefined;
    const [granted, byLease, refused] = [asked[1], asked[2], asked[3] ?? 0].map(Number) as [number, number, number];
    const [accepted, pending, delivered, stored] = parts.slice(1, 5).map(Number) as [number, number, number, number];
    return { accepted, pending, delivered, stored, isUp: parts[5] === 'up', granted, byLease, refused };
  }

  /** Waits until the newest live line, or all that was said, fulfils a condition. */
  async until(condition: (figures: Figures, lines: string[]) => boolean, what: string): Promise<Figures> {
    const deadline = performance.now() + 25_000;
    for (;;) {
      const { figures } = this;
      if (figures && condition(figures, this.lines)) return figures;
      if (performance.now() > deadline) throw new Error(`not within 25 s: ${what}\n${this.lines.join('\n')}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Ports that other tests do not have, and all of the demo's. */
export async function demoPorts(): Promise<Record<string, string>> {
  const [http, mqtt, central] = await freePorts(3);
  return {
    HOLDFAST_HTTP_PORT: String(http),
    HOLDFAST_MQTT_PORT: String(mqtt),
    HOLDFAST_CENTRAL_HTTP_PORT: String(central),
  };
}
