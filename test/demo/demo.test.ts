// deadline: 100s
/** The demo as `npm start` runs it: a program of its own, told what to do by lines on its standard input. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { freePorts, temporaryFolder } from '../support/temporary.ts';

const launcher = fileURLToPath(new URL('../../bin/holdfast', import.meta.url));
const test = suite('the demo');
const running = new Set<ChildProcess>();
test.after.each(() => {
  for (const child of running) child.kill('SIGKILL');
  running.clear();
});

/** The figures of a live line. */
interface Figures {
  readonly accepted: number;
  readonly pending: number;
  readonly delivered: number;
  readonly stored: number;
  readonly isUp: boolean;
}

class RunningDemo {
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

  /** The newest live line. */
  get figures(): Figures | undefined {
    const line = this.lines.findLast((each) => each.startsWith('accepted ') && each.includes('uplink'));
    const parts = line?.match(
      /^accepted (\d+) {2}pending (\d+) {2}delivered (\d+) {2}.*database (\d+) {2}uplink (\w+)/,
    );
    if (!parts) return undefined;
    const [accepted, pending, delivered, stored] = parts.slice(1, 5).map(Number) as [number, number, number, number];
    return { accepted, pending, delivered, stored, isUp: parts[5] === 'up' };
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
async function ports(): Promise<Record<string, string>> {
  const [http, mqtt, central] = await freePorts(3);
  return {
    HOLDFAST_HTTP_PORT: String(http),
    HOLDFAST_MQTT_PORT: String(mqtt),
    HOLDFAST_CENTRAL_HTTP_PORT: String(central),
  };
}

test('delivers, keeps while the uplink is cut, survives a kill, drains, and loses nothing', async () => {
  const folder = temporaryFolder();
  const demo = new RunningDemo(folder.path, ['--speed', '600'], await ports());
  await demo.until(({ delivered, stored, isUp }) => isUp && delivered > 10 && stored > 10, 'the first reports');

  demo.say('cut');
  const cut = await demo.until(({ isUp, pending }) => !isUp && pending > 5, 'reports wait');
  const more = await demo.until(({ pending }) => pending > cut.pending + 5, 'more wait');
  assert.is(more.delivered, cut.delivered);
  assert.is(more.stored, cut.stored);

  demo.say('kill');
  await demo.until((_, lines) => lines.some((line) => line.startsWith('the gateway runs again')), 'it runs again');
  const after = await demo.until(({ isUp, accepted }) => !isUp && accepted > more.accepted, 'it goes on');
  assert.ok(after.pending >= more.pending, 'what had waited still waits');

  demo.say('restore');
  await demo.until(({ isUp, delivered }) => isUp && delivered >= after.accepted, 'all that has waited is delivered');
  demo.say('what?');
  demo.say('quit');
  assert.is(await demo.exit, 0, demo.lines.join('\n'));
  const { figures, lines } = demo;
  assert.equal([figures!.pending, figures!.delivered, figures!.stored], [0, figures!.accepted, figures!.accepted]);
  assert.ok(lines.includes('Nothing was lost.'));
  assert.is(lines.filter((line) => line.startsWith('Commands, one a line')).length, 2);

  // The folder is kept: the next start goes on from there, and --seconds ends it.
  const second = new RunningDemo(folder.path, ['--speed', '600', '--seconds', '3'], await ports());
  assert.is(await second.exit, 0, second.lines.join('\n'));
  assert.ok(second.figures!.accepted > figures!.accepted);
  assert.ok(second.lines.includes('Nothing was lost.'));
  folder.remove();
});

test('ends in order at SIGTERM while the uplink is cut; what waits is said', async () => {
  const folder = temporaryFolder();
  const demo = new RunningDemo(folder.path, ['--speed', '600'], await ports());
  await demo.until(({ isUp, delivered }) => isUp && delivered > 5, 'the first reports');
  demo.say('cut');
  await demo.until(({ pending }) => pending > 5, 'reports wait');
  for (const child of running) child.kill('SIGTERM');
  assert.is(await demo.exit, 0, demo.lines.join('\n'));
  assert.ok(demo.lines.some((line) => /are safe on disk and go on at the next start/.test(line)));
  folder.remove();
});

test('takes the next free port where none was configured, and names the key of one that was', async () => {
  const blocked = createServer();
  const port = await new Promise<number>((resolve) => {
    blocked.listen(0, '127.0.0.1', () => resolve((blocked.address() as { port: number }).port));
  });
  const folder = temporaryFolder();
  const configured = new RunningDemo(folder.path, ['--seconds', '1'], {
    ...(await ports()),
    HOLDFAST_HTTP_PORT: String(port),
  });
  assert.is(await configured.exit, 1);
  assert.match(
    configured.lines.join('\n'),
    new RegExp(`http\\.port: another program listens on 127\\.0\\.0\\.1:${port}`),
  );
  await closed(blocked);

  // Somebody may have them already, which is just as good.
  const defaults = await Promise.all([8080, 1883, 8090].map(occupy));
  const demo = new RunningDemo(folder.path, ['--seconds', '2']);
  assert.is(await demo.exit, 0, demo.lines.join('\n'));
  const said = demo.lines.join('\n');
  assert.not.match(said, /:8080\/|:1883$|:8090\//m);
  await Promise.all(defaults.map(closed));
  folder.remove();
});

function occupy(port: number): Promise<Server> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(server));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

test.run();
