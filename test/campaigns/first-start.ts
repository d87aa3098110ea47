/**
 * `kill -9` at any moment of the very first start, and of later starts and stops: the box always starts again, stays
 * the same gateway once its id was seen, and has all that it acknowledged. Used by first-start.test.ts and .long.ts.
 */
import * as assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../support/random.ts';
import { type Box, createBox } from '../support/site/box.ts';
import { reportBody } from '../support/site/machine-reports.ts';
import { campaignSeed } from '../support/site/program.ts';
import { temporaryFolder } from '../support/temporary.ts';

/** The machine of `Reporter`. */
export const serial = 'sn000001';
const channel = 'device_process_info';
/** At least so far the instants reach; further where starts take longer, so that the last ones hit a box at work. */
const leastMs = 1500;

let measured: Promise<number> | undefined;

/** How long a first start takes here and now, and half as much again. */
export function longestStart(): Promise<number> {
  measured ??= measure();
  return measured;
}

async function measure(): Promise<number> {
  const folder = temporaryFolder('holdfast-first-');
  const box = await createBox({ folder: folder.path, machines: [serial] });
  const beganAt = performance.now();
  try {
    await box.start();
    return Math.max(leastMs, Math.round((performance.now() - beganAt) * 1.5));
  } finally {
    await box.kill();
    folder.remove();
  }
}

/** A machine that reports by HTTP, one report after the other, each until it is answered 202; and notes the box's id. */
export class Reporter {
  readonly acknowledged: number[] = [];
  readonly ids = new Set<string>();
  readonly #box: Box;
  #n = 1;
  #over = false;
  #running: Promise<void>;

  constructor(box: Box) {
    this.#box = box;
    this.#running = this.#run();
  }

  async end(): Promise<void> {
    this.#over = true;
    await this.#running;
  }

  /** Resolves when one report more has been acknowledged. */
  async once(): Promise<void> {
    const before = this.acknowledged.length;
    const deadline = performance.now() + 20_000;
    while (this.acknowledged.length === before) {
      if (performance.now() > deadline) throw new Error(`no report was taken:\n${this.#box.program.tail}`);
      await sleep(5);
    }
  }

  async #run(): Promise<void> {
    while (!this.#over) {
      try {
        const response = await this.#box.post(channel, reportBody(serial, channel, this.#n), serial);
        if (response.status === 202) {
          await response.arrayBuffer();
          this.acknowledged.push(this.#n++);
          const { gateway } = await this.#box.health();
          if (gateway !== undefined) this.ids.add(gateway);
        } else await response.arrayBuffer();
      } catch {
        // The box is not there at the moment. To ask without a pause would take the processor that it starts with.
        await sleep(10);
      }
      await sleep(2);
    }
  }
}

/** Everything that waits in the box, by number, against what was acknowledged. */
export async function compare(box: Box, { acknowledged, ids }: Reporter, what: string): Promise<void> {
  const found = (await box.spool<{ channel: string; body: string }>('export'))
    .filter((each) => each.channel === channel)
    .map(({ body }) => (JSON.parse(body) as { n: number }).n);
  assert.equal(new Set(found).size, found.length, `${what}: something is stored twice`);
  assert.deepEqual(
    found,
    found.toSorted((a, b) => a - b),
    `${what}: out of order`,
  );
  const kept = new Set(found);
  assert.deepEqual(
    acknowledged.filter((n) => !kept.has(n)),
    [],
    `${what}: acknowledged and lost`,
  );
  assert.equal(ids.size, 1, `${what}: the gateway had the ids ${[...ids].join(', ')}`);
}

/** Kills `count` very first starts, at instants spread evenly with some jitter. */
export async function firstStarts(count: number): Promise<void> {
  const seed = campaignSeed('first-start');
  const random = new Random(seed);
  const longestMs = await longestStart();
  let acknowledged = 0;
  for (let step = 0; step < count; step++) {
    const atMs = ((step + random.next()) / count) * longestMs;
    const folder = temporaryFolder('holdfast-first-');
    const box = await createBox({ folder: folder.path, machines: [serial] });
    const reporter = new Reporter(box);
    try {
      box.program.begin();
      await sleep(atMs);
      await box.kill();
      acknowledged += reporter.acknowledged.length;
      await box.start();
      await reporter.once();
      await reporter.end();
      await compare(box, reporter, `killed after ${Math.round(atMs)} ms, seed ${seed}`);
    } finally {
      await reporter.end();
      await box.kill();
      folder.remove();
    }
  }
  console.log(`first-start: ${count} first starts killed within ${longestMs} ms, ${acknowledged} acknowledged before`);
}

/** Kills `count` starts of one box, some of them while it stops in order. */
export async function laterStarts(count: number): Promise<void> {
  const seed = campaignSeed('later starts');
  const random = new Random(seed);
  const folder = temporaryFolder('holdfast-later-');
  const box = await createBox({ folder: folder.path, machines: [serial] });
  const reporter = new Reporter(box);
  const longestMs = await longestStart();
  let stopping = 0;
  try {
    for (let step = 0; step < count; step++) {
      box.program.begin();
      await sleep(random.below(longestMs));
      if (random.chance(0.3)) {
        stopping++;
        box.program.signal('SIGTERM');
        await sleep(random.below(200));
      }
      await box.kill();
    }
    await box.start();
    await reporter.once();
    await reporter.end();
    await compare(box, reporter, `after ${count} starts, seed ${seed}`);
    console.log(
      `later starts: ${count} killed (${stopping} while stopping), ${reporter.acknowledged.length} acknowledged`,
    );
  } finally {
    await reporter.end();
    await box.kill();
  }
}
