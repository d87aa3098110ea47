import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ManualClock } from '../support/manual-clock.ts';
import { type BoxFacts, dayMs, hourMs, identity, newDisk, openBox, readText, type TestBox, writeText } from './box.ts';

const test = suite('lease time');
const startMs = Date.UTC(2026, 10, 21, 12);
const minuteMs = 60_000;

/** A box with a lease that has run, synchronized, until `startMs` plus an hour, and its disk. */
async function afterAnHour(facts: Partial<BoxFacts> = {}) {
  const fileSystem = await newDisk();
  const box = await openBox({ fileSystem, clock: new ManualClock(startMs), ...facts });
  await box.state.leases.grant(identity);
  await box.clock.advanceGently(hourMs);
  const start = async (wallMs: number, more: Partial<BoxFacts> = {}) =>
    openBox({ fileSystem: fileSystem.afterPowerCut(), clock: new ManualClock(wallMs), synchronization: 'no', ...more });
  return { box, fileSystem, start };
}

const near = (box: TestBox, expectedMs: number, toleranceMs = minuteMs + 5000) => {
  const offMs = expectedMs - box.state.time.nowMs();
  assert.ok(offMs >= 0 && offMs <= toleranceMs, `off by ${offMs} ms`);
};

test('a clock that is behind at boot and not synchronized: time goes on from the saved one, with an alarm', async () => {
  const { start } = await afterAnHour();
  for (const synchronization of ['no', 'unknown'] as const) {
    const box = await start(Date.UTC(2025, 0, 1), { synchronization });
    assert.is(box.state.time.state, 'behind');
    assert.equal([...box.alarms.active.keys()], ['lease-clock-behind']);
    near(box, startMs + hourMs);
    assert.is(box.look(), 'valid');
    box.clock.advance(70 * hourMs);
    assert.is(box.look(), 'valid');
    box.clock.advance(2 * hourMs);
    assert.is(box.look(), 'expired', 'the monotonic clock goes on');
  }
});

test('once the clock is set right, lease time is the clock', async () => {
  const { start } = await afterAnHour();
  const box = await start(0);
  assert.is(box.look(), 'valid');
  box.clock.setWall(startMs + 80 * hourMs);
  assert.is(box.look(), 'expired');
  box.synchronization = 'yes';
  assert.is(box.state.time.state, 'right');
  assert.is(box.alarms.active.size, 0);
});

test('boots in a row without a clock do not give the same hours again', async () => {
  let { fileSystem } = await afterAnHour();
  let hours = 0;
  for (;;) {
    fileSystem = fileSystem.afterPowerCut();
    const box = await openBox({ fileSystem, clock: new ManualClock(0), synchronization: 'no' });
    if (box.look() !== 'valid') break;
    hours += 5;
    await box.clock.advanceGently(5 * hourMs);
    assert.ok(hours <= 80, 'it never ends');
  }
  assert.ok(hours >= 70 && hours <= 80, `${hours} h`);
});

test('behind although synchronized: no lease is used until the clock is right', async () => {
  const { start } = await afterAnHour();
  const box = await start(startMs - 365 * dayMs, { synchronization: 'yes' });
  assert.is(box.look(), 'clock');
  assert.ok(box.alarms.active.has('lease-clock-set-back'));
  await box.clock.advanceGently(hourMs);
  assert.is(box.look(), 'clock');
  box.clock.setWall(startMs + 2 * hourMs);
  assert.is(box.look(), 'valid');
  assert.is(box.alarms.active.size, 0);
});

test('set back while running by more than 5 min: no lease is used, whoever says that it is synchronized', async () => {
  for (const synchronization of ['yes', 'no', 'unknown'] as const) {
    const { box } = await afterAnHour();
    box.synchronization = synchronization;
    box.clock.setWall(box.clock.wallMs() - 4 * minuteMs);
    assert.is(box.look(), 'valid', 'a little does not matter');
    box.clock.setWall(box.clock.wallMs() - 4 * minuteMs);
    assert.is(box.look(), 'clock', `${synchronization}: bit by bit adds up`);
    await box.clock.advanceGently(hourMs);
    assert.is(box.look(), 'clock');
    box.clock.setWall(box.clock.wallMs() + 8 * minuteMs);
    assert.is(box.look(), 'valid');
    assert.is(box.alarms.active.size, 0);
  }
});

test('a set-back clock does not help over a restart either', async () => {
  const { box, start } = await afterAnHour();
  box.synchronization = 'no';
  box.clock.setWall(startMs - dayMs);
  await box.clock.advanceGently(2 * hourMs);
  assert.is(box.look(), 'clock');
  const next = await start(startMs - dayMs);
  near(next, startMs + 3 * hourMs);
});

test('a clock that runs ahead without synchronization ends leases early, and raises nothing that lasts', async () => {
  const { start, fileSystem } = await afterAnHour();
  const box = await start(startMs + 365 * dayMs);
  assert.is(box.look(), 'expired');
  await box.clock.advanceGently(hourMs);
  box.clock.setWall(startMs + 2 * hourMs);
  assert.is(box.look(), 'clock', 'put right again, nobody knows by whom');
  box.synchronization = 'yes';
  assert.is(box.look(), 'valid');
  await box.state.close();
  const again = await openBox({
    fileSystem: fileSystem.afterPowerCut(),
    clock: new ManualClock(startMs + 3 * hourMs),
    synchronization: 'no',
  });
  assert.is(again.look(), 'valid');
});

test("the centre's time raises the saved one while the clock is not synchronized, and says that a clock is right", async () => {
  const { start } = await afterAnHour();
  const box = await start(0);
  box.state.time.noteCentreTime(startMs + 10 * hourMs);
  near(box, startMs + 10 * hourMs);
  assert.is(box.state.time.state, 'behind');
  box.clock.setWall(startMs + 400 * dayMs);
  assert.is(box.state.time.state, 'right');
  box.clock.setWall(startMs + 10 * hourMs);
  assert.is(box.look(), 'clock');
  box.state.time.noteCentreTime(startMs + 10 * hourMs + minuteMs);
  assert.is(box.look(), 'valid');
});

test('a centre whose clock is ahead does not make a synchronized clock look set back', async () => {
  const { box } = await afterAnHour();
  box.state.time.noteCentreTime(box.clock.wallMs() + dayMs);
  assert.is(box.look(), 'valid');
  near(box, startMs + hourMs);
});

test('a trusted time that was wrong is taken back when a synchronized clock and the centre agree', async () => {
  const { start } = await afterAnHour();
  const box = await start(startMs + hourMs);
  box.state.time.noteCentreTime(startMs + 1000 * dayMs);
  box.synchronization = 'yes';
  assert.is(box.look(), 'clock');
  box.state.time.noteCentreTime(startMs + hourMs);
  assert.is(box.look(), 'valid');
  near(box, startMs + hourMs);
});

test('the time is saved every 60 s at most, and only where there is a lease', async () => {
  const fileSystem = await newDisk();
  const box = await openBox({ fileSystem, clock: new ManualClock(startMs) });
  const before = fileSystem.syncs;
  await box.clock.advanceGently(hourMs);
  assert.is(fileSystem.syncs, before);
  await box.state.leases.grant(identity);
  const leased = fileSystem.syncs;
  await box.clock.advanceGently(hourMs);
  const saves = fileSystem.syncs - leased;
  assert.ok(saves >= 50 && saves <= 62, `${saves} in an hour`);
});

test('a saved time that was edited counts as a set-back clock until there is a trusted time', async () => {
  const { box, fileSystem } = await afterAnHour();
  await box.state.close();
  const path = '/data/store/authorization';
  const text = readText(fileSystem, path);
  const { crc32 } = await import('node:zlib');
  const forged = text.replaceAll(
    /^[0-9a-f]{8} (\d+ \d+ \[\["time",\{"ms":)\d+(.*)$/gm,
    (_, start: string, end: string) => {
      const rest = `${start}${startMs - 1000}${end}`;
      return `${crc32(rest).toString(16).padStart(8, '0')} ${rest}`;
    },
  );
  assert.is.not(forged, text);
  writeText(fileSystem, path, forged);
  const next = await openBox({ fileSystem, clock: new ManualClock(startMs), synchronization: 'no' });
  assert.is(next.look(), 'clock');
  next.state.time.noteCentreTime(startMs + 2 * hourMs);
  assert.is(next.look(), 'valid');
});

test('a lease of the future was dated by a wrong clock', async () => {
  const fileSystem = await newDisk();
  const box = await openBox({ fileSystem, clock: new ManualClock(startMs + 365 * dayMs), synchronization: 'unknown' });
  await box.state.leases.grant(identity);
  box.clock.setWall(startMs);
  box.synchronization = 'yes';
  assert.is(box.look(), 'clock');
});

test.run();
