// deadline: 300s
/**
 * The process is killed, or the power cut, at every single call to the file system: of the very first start, of a later
 * one, of a roll, of a segment's reuse, of a checkpoint, of a move. The box starts again, and nothing is missing.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { laneNames } from '../../src/spool/index.ts';
import { Random } from '../support/random.ts';
import { acknowledge, append, move, operations, read } from './model/operations.ts';
import { World } from './model/world.ts';

interface Scenario {
  prepare(world: World, random: Random): Promise<void>;
  act(world: World, random: Random): Promise<unknown>;
}

async function appendToAll(world: World, random: Random): Promise<void> {
  for (const lane of laneNames) await world.pump(append(world, random, lane));
}

/** Fills segments of the lane `process` until `count` have been begun, and delivers everything when asked to. */
async function fill(world: World, random: Random, count: number, isDelivered: boolean): Promise<void> {
  for (let turn = 0; turn < 400; turn++) {
    if (world.fileSystem.usedBytes('/data/spool/process') >= count * 64 * 1024) break;
    await world.pump(append(world, random, 'process', 14_000));
  }
  if (isDelivered) await deliver(world, random);
}

async function deliver(world: World, random: Random): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await world.pump(read(world, random, 'process'));
  for (const held of world.held.splice(0)) acknowledge(world, held);
}

const scenarios: Readonly<Record<string, Scenario>> = {
  'the very first start': {
    prepare: async () => {},
    act: async (world, random) => {
      await world.open();
      await appendToAll(world, random);
    },
  },
  'a start after a kill': {
    prepare: async (world, random) => {
      await world.open();
      await appendToAll(world, random);
      world.crash('kill', 1000);
    },
    act: async (world, random) => {
      await world.reopen(false);
      await appendToAll(world, random);
    },
  },
  'a start after a clean stop': {
    prepare: async (world, random) => {
      await world.open();
      await fill(world, random, 3, true);
      await world.pump(world.spool.close());
      world.turnOff(1000);
    },
    act: async (world, random) => {
      await world.reopen(true);
      await appendToAll(world, random);
    },
  },
  'a roll into a new file': {
    prepare: async (world, random) => {
      await world.open();
      await fill(world, random, 1, false);
    },
    act: (world, random) => fill(world, random, 3, false),
  },
  'the reuse of a segment': {
    prepare: async (world, random) => {
      await world.open();
      await fill(world, random, 2, true);
      world.clock.advance(600);
    },
    act: async (world, random) => {
      for (let turn = 0; turn < 5; turn++) await world.pump(append(world, random, 'process', 14_000));
      await deliver(world, random);
      for (let turn = 0; turn < 5; turn++) await world.pump(append(world, random, 'process', 14_000));
    },
  },
  'a clean stop with its checkpoint': {
    prepare: async (world, random) => {
      await world.open();
      await fill(world, random, 4, true);
      await appendToAll(world, random);
    },
    act: (world) => world.pump(world.spool.close()),
  },
  'a move to another log and back': {
    prepare: async (world, random) => {
      await world.open();
      await fill(world, random, 1, false);
      await world.pump(read(world, random, 'process'));
    },
    act: async (world, random) => {
      await world.pump(move(world, random, 'process', 'deferred'));
      await world.pump(read(world, random, 'deferred'));
      await world.pump(move(world, random, 'deferred', 'home'));
      await appendToAll(world, random);
    },
  },
};

const test = suite('every step');

for (const [name, { prepare, act }] of Object.entries(scenarios)) {
  for (const how of ['kill', 'power'] as const) {
    test(`${name}: ${how} at each call`, async () => {
      let step = 0;
      for (let isFinished = false; !isFinished; ) {
        step++;
        const world = new World(step, 64 * 1024);
        const random = new Random(4711);
        await prepare(world, random);
        world.fileSystem.dieAt = world.fileSystem.calls + step;
        await act(world, random).catch((error: unknown) => {
          if (!world.fileSystem.isDead) throw error;
        });
        isFinished = !world.fileSystem.isDead;
        world.crash(how, 0);
        try {
          await world.reopen(false);
          await operations.heal(world, random);
          await operations.verify(world);
        } catch (error) {
          throw new Error(`${how} at step ${step}: ${(error as Error).message}`, { cause: error });
        }
      }
      assert.ok(step > 8, `only ${step} steps`);
    });
  }
}

test.run();
