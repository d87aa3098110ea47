/** What can happen to a spool. Each operation draws its details from its own seed, so that a history can be cut short. */
import { isHoldfastError } from '../../../src/errors.ts';
import { type LaneName, type LogName, laneNames } from '../../../src/spool/index.ts';
import type { Random } from '../../support/random.ts';
import { turns } from '../spool-on-fault-disk.ts';
import { demand, type Entry, logNames, type Place } from './entries.ts';
import type { Held, ReaderState, World } from './world.ts';

export interface Operation {
  readonly kind: keyof typeof operations;
  readonly seed: number;
}

const channels: Readonly<Record<LaneName, readonly string[]>> = {
  alarm: ['error'],
  state: ['base', 'state'],
  process: ['process', 'extra'],
  bulk: ['bulk'],
};
const serials = ['A1', 'B-2', 'machine_number_three'];
/** What a record takes at most beside its payload, the reason of a move included, and the segment's header. */
const overhead = 4096 + 56 + 20 + 12 + 12 + 264;

function makeEntry(world: World, random: Random, home: LogName, channel: string, payload: Buffer): Entry {
  const id = world.nextId++;
  payload.writeUInt32LE(id, 0);
  const entry: Entry = {
    id,
    home,
    report: { channel, serial: random.pick(serials), payload },
    boot: world.spool.boot,
    wallMs: Math.floor(world.clock.wallMs()),
    monotonicUs: Math.floor(world.clock.monotonicMs() * 1000),
    atMs: world.nowMs,
    sequence: undefined,
    stored: false,
    done: false,
    forgettable: false,
  };
  world.entries.add(entry);
  return entry;
}

/** Half of them can be compressed. */
function body(random: Random, bytes: number): Buffer {
  return random.chance(0.5) ? random.bytes(bytes) : Buffer.alloc(bytes, `{"reported at": ${random.below(10_000)}}`);
}

function payloadOf(random: Random, segmentBytes: number): Buffer {
  const dice = random.below(100);
  if (dice < 70) return body(random, random.between(4, 400));
  if (dice < 90) return body(random, random.between(2000, 6000));
  if (dice < 97) return body(random, random.between(10_000, 30_000));
  return body(random, segmentBytes - overhead - random.below(80));
}

export async function append(world: World, random: Random, lane: LaneName, bytes?: number): Promise<void> {
  const isTooLarge = bytes === undefined && random.chance(0.02);
  const payload = isTooLarge
    ? Buffer.alloc(world.segmentBytes)
    : bytes
      ? Buffer.alloc(bytes, 'x')
      : payloadOf(random, world.segmentBytes);
  const entry = makeEntry(world, random, lane, random.pick(channels[lane]), payload);
  const place = world.entries.place(entry, lane);
  const { spool, fileSystem } = world;
  try {
    const sequence = await spool.append(lane, entry.report);
    demand(!isTooLarge, 'took a record that is too large');
    // As intake does, in the same turn in which the append resolves.
    spool.repeats.remember(spool.repeats.digest(entry.report.channel, entry.report.payload), sequence);
    world.entries.stored(place, sequence);
  } catch (error) {
    if (!isHoldfastError(error)) return world.note(error);
    place.state = isTooLarge || error.code === 'spool-full' ? 'gone' : 'doubtful';
    const isExpected = fileSystem.isDead || world.mayFail || error.code !== 'spool-write-failed';
    if (!isExpected) world.note(error);
  }
}

async function refuse(world: World, random: Random): Promise<void> {
  const entry = makeEntry(world, random, 'refused', 'base', payloadOf(random, world.segmentBytes));
  const place = world.entries.place(entry, 'refused');
  try {
    await world.spool.keepRefused(entry.report, 'malformed');
    world.entries.stored(place, 0);
  } catch (error) {
    if (!isHoldfastError(error)) return world.note(error);
    place.state = 'doubtful';
  }
}

/** A reader takes one call at a time. */
export async function read(world: World, random: Random, log: LogName): Promise<void> {
  let state = world.readers.get(log);
  if (state === undefined) {
    state = { reader: world.spool.createReader(log), last: -1, isReading: false };
    world.readers.set(log, state);
  }
  if (state.isReading) return;
  state.isReading = true;
  await readSome(world, random, log, state);
  state.isReading = false;
}

async function readSome(world: World, random: Random, log: LogName, state: ReaderState): Promise<void> {
  const places = world.entries.places(log);
  const owed = places.filter((place) => place.state === 'open').at(-1)?.index ?? -1;
  const limit = random.pick([1, 5, 40]);
  let records: Awaited<ReturnType<typeof state.reader.read>>;
  try {
    records = await state.reader.read(limit);
  } catch (error) {
    if (!world.mayFail && !world.fileSystem.isDead) world.note(error);
    return;
  }
  try {
    for (const record of records) {
      const place = world.entries.compare(log, record);
      place.entry.stored = true;
      demand(place.index > state.last, `${log}: the reader gave message ${place.entry.id} again`);
      const skipped = places.find((other) => other.index > state.last && other.index < place.index && isOpen(other));
      demand(skipped === undefined, `${log}: the reader passed over message ${skipped?.entry.id}`);
      state.last = place.index;
      world.held.push({ place, record });
      if (random.chance(0.5)) acknowledge(world, { place, record });
    }
    if (records.length < limit && !world.mayFail && !world.fileSystem.isDead) {
      const missing = places.find((other) => other.index > state.last && other.index <= owed && isOpen(other));
      demand(missing === undefined, `${log}: the reader did not give message ${missing?.entry.id}`);
    }
  } catch (error) {
    world.note(error);
  }
}

function isOpen(place: Place): boolean {
  return place.state === 'open' && !place.moving;
}

export function acknowledge(world: World, { place, record }: Held): void {
  const isNew = world.spool.acknowledge(place.log, record.ordinal);
  // What was read a moment ago may be on the device before its sender has been told.
  const isOwed = isOpen(place) || place.state === 'issued';
  demand(isNew === isOwed, `acknowledging message ${place.entry.id} (${place.state}) says ${isNew}`);
  if (!isNew) return;
  place.state = 'done';
  place.entry.done = true;
}

/** Logs from which nothing is evicted: what becomes of a record that is moved from them is certain. */
const steady: readonly LogName[] = ['alarm', 'process', 'deferred'];

export async function move(
  world: World,
  random: Random,
  from: LogName,
  to: 'deferred' | 'quarantine' | 'home',
): Promise<void> {
  const chosen = world.held.filter(
    ({ place }) => place.log === from && isOpen(place) && (to === 'home' ? place.entry.home : to) !== from,
  );
  const first = chosen[0];
  if (first === undefined) return;
  const target = to === 'home' ? first.place.entry.home : to;
  const some = chosen
    .filter(({ place }) => to !== 'home' || place.entry.home === target)
    .filter(() => random.chance(0.7))
    .slice(0, 20)
    .sort((a, b) => a.record.ordinal - b.record.ordinal);
  world.held = world.held.filter((held) => !some.includes(held));
  const moves = some.map((held) => ({ ...held, target: world.entries.place(held.place.entry, target) }));
  for (const { place } of moves) place.moving = true;
  const { spool } = world;
  let failed: unknown;
  try {
    await spool.move(
      from,
      moves.map(({ record }) => record),
      target,
      'refused',
    );
  } catch (error) {
    failed = error;
    if (world.fileSystem.isDead) return;
  }
  for (const { place, record, target: to } of moves) {
    place.moving = false;
    // Given up for room before its turn came.
    const isEvicted = place.state === 'done';
    const isMoved = !isEvicted && spool.isDone(from, record.ordinal);
    if (isEvicted) {
      to.state = 'gone';
      continue;
    }
    if (isMoved && failed === undefined) place.state = 'gone';
    else if (isMoved) place.state = 'done';
    // A copy that never was may yet be found when the write that failed is found.
    if (!isMoved) to.state = 'doubtful';
    else if (to.state === 'issued') to.state = 'open';
  }
}

function faults(world: World, random: Random): void {
  world.mayFail = true;
  world.isUntidy = true;
  const rate = random.pick([0.02, 0.1, 0.5, 1]);
  const kinds = random.pick([
    ['write'],
    ['synced'],
    ['write', 'synced', 'sync'],
    ['create', 'open', 'remove', 'rename'],
    ['syncFolder', 'folderSynced', 'list'],
    ['read'],
    ['write', 'synced', 'create', 'open', 'rename', 'remove', 'syncFolder', 'read'],
  ]);
  const only = random.pick(['', '', '', 'cursor', '.segment', 'repeats', 'checkpoint']);
  world.fileSystem.plan = (kind, path) =>
    kinds.includes(kind) && path.includes(only) && random.chance(rate) ? random.pick(['EIO', 'ENOSPC']) : undefined;
}

async function heal(world: World): Promise<void> {
  world.fileSystem.plan = () => undefined;
  world.fileSystem.capacityBytes = Number.POSITIVE_INFINITY;
  world.mayFail = false;
}

async function some(world: World, random: Random, actions: number): Promise<void> {
  const work: Promise<void>[] = [];
  for (let action = 0; action < actions; action++) {
    const dice = random.below(20);
    if (dice < 10) work.push(append(world, random, random.pick(laneNames)));
    else if (dice < 13) work.push(read(world, random, random.pick(logNames)));
    else if (dice < 14) work.push(refuse(world, random));
    else if (dice < 15) work.push(move(world, random, random.pick(steady), random.pick(['deferred', 'quarantine'])));
    else if (dice < 18) {
      const held = world.held.splice(random.below(world.held.length + 1), random.between(1, 10));
      for (const one of held) acknowledge(world, one);
    } else await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(work);
}

async function stop(world: World, random: Random, how: 'kill' | 'power', isDuring: boolean): Promise<void> {
  if (isDuring) {
    world.fileSystem.dieAt = world.fileSystem.calls + random.between(1, 60);
    await world.pump(some(world, random, random.between(5, 60)));
  }
  world.crash(how, random.pick([0, 1000, 60_000, 300_000]));
  await restart(world, random, false);
}

/** Starts again; now and then the start itself is cut off, or meets a failing disk. */
async function restart(world: World, random: Random, wasClean: boolean): Promise<void> {
  let isClean = wasClean;
  await heal(world);
  while (random.chance(0.25)) {
    if (random.chance(0.5)) world.fileSystem.dieAt = world.fileSystem.calls + random.between(1, 120);
    else faults(world, random);
    await world.open().catch(() => undefined);
    world.crash(random.pick(['kill', 'power']), 0);
    isClean = false;
    await heal(world);
  }
  await world.reopen(isClean);
}

export const operations = {
  burst: (world: World, random: Random) => world.pump(some(world, random, random.between(2, 60))),
  appends: async (world: World, random: Random) => {
    const lane = random.pick(laneNames);
    const work = Array.from({ length: random.pick([1, 1, 8, 32]) }, () => append(world, random, lane));
    await world.pump(Promise.all(work));
  },
  /** Senders that send again as soon as they are answered. */
  loops: async (world: World, random: Random) => {
    const lane = random.pick(laneNames);
    const bytes = random.pick([100, 2000, 6000]);
    const rounds = random.between(2, 6);
    const sender = async () => {
      for (let round = 0; round < rounds; round++) await append(world, random, lane, bytes);
    };
    await world.pump(Promise.all(Array.from({ length: random.between(2, 40) }, sender)));
  },
  reads: async (world: World, random: Random) => {
    for (const log of logNames) await world.pump(read(world, random, log));
  },
  drain: async (world: World, random: Random) => {
    const log = random.pick(logNames);
    for (let turn = 0; turn < 20; turn++) await world.pump(read(world, random, log));
    for (const held of world.held.filter(({ place }) => place.log === log)) acknowledge(world, held);
    world.held = world.held.filter(({ place }) => place.log !== log);
  },
  moves: async (world: World, random: Random) => {
    // Nothing is appended meanwhile, so that the order in the lanes and what is evicted is known.
    const from = random.pick(logNames.filter((log) => log !== 'refused'));
    const targets = (['deferred', 'quarantine', 'home'] as const).filter((log) => log !== from);
    await world.pump(
      Promise.all([move(world, random, from, random.pick(targets)), move(world, random, from, random.pick(targets))]),
    );
  },
  tick: async (world: World, random: Random) => {
    world.clock.advance(random.pick([100, 500, 2000, 30_000, 400_000]));
    await world.pump(turns(20));
    world.clock.advance(600);
    await world.pump(turns(20));
    if (!world.mayFail) world.isUntidy = false;
  },
  verify: (world: World) => world.verify(),
  faults: async (world: World, random: Random) => faults(world, random),
  fillDisk: async (world: World, random: Random) => {
    world.mayFail = true;
    world.fileSystem.capacityBytes = world.fileSystem.usedBytes('/') + random.below(40_000);
  },
  heal: async (world: World, random: Random) => {
    await heal(world);
    for (const lane of laneNames) await world.pump(append(world, random, lane));
  },
  close: async (world: World, random: Random) => {
    const wasFine = !world.mayFail;
    for (const { reader } of world.readers.values()) reader.close();
    await world.pump(world.spool.close());
    const { openFiles } = world.fileSystem;
    demand(openFiles === 0 || !wasFine, `${openFiles} files are still open after a clean stop`);
    world.turnOff(random.pick([0, 1000, 200_000]));
    await restart(world, random, wasFine);
  },
  kill: (world: World, random: Random) => stop(world, random, 'kill', false),
  power: (world: World, random: Random) => stop(world, random, 'power', false),
  killDuring: (world: World, random: Random) => stop(world, random, 'kill', true),
  powerDuring: (world: World, random: Random) => stop(world, random, 'power', true),
};
