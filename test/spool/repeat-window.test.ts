import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { HoldfastError } from '../../src/errors.ts';
import { RepeatWindow } from '../../src/spool/repeat-window.ts';
import { FaultFileSystem } from '../support/fault-file-system.ts';
import { Random } from '../support/random.ts';

interface Fixture {
  fileSystem: FaultFileSystem;
  window: RepeatWindow;
  nowMs: number;
  /** A new process; `early` gets its window before it is open. */
  reopen(how?: 'kill' | 'power', early?: (window: RepeatWindow) => void): number;
}

async function makeWindow(capacity: number): Promise<Fixture> {
  const fileSystem = new FaultFileSystem(new Random(9));
  fileSystem.makeFolder('/spool');
  await fileSystem.syncFolder('/');
  const open = (at: FaultFileSystem) =>
    new RepeatWindow({
      fileSystem: at,
      folder: '/spool',
      name: 'repeats',
      capacity,
      windowMs: 600_000,
      nowMs: () => fixture.nowMs,
    });
  const fixture: Fixture = {
    fileSystem,
    window: open(fileSystem),
    nowMs: 5000,
    reopen(how = 'kill', early) {
      fixture.fileSystem = how === 'kill' ? fixture.fileSystem.afterKill() : fixture.fileSystem.afterPowerCut();
      fixture.window = open(fixture.fileSystem);
      early?.(fixture.window);
      return fixture.window.open(0);
    },
  };
  fixture.window.open(0);
  return fixture;
}

const digestOf = (window: RepeatWindow, text: string) => window.digest('process', Buffer.from(text));

test('finds what was remembered, and tells channels and bodies apart', async () => {
  const { window } = await makeWindow(64);
  window.remember(window.digest('process', Buffer.from('a')), 7);
  assert.is(window.find(window.digest('process', Buffer.from('a'))), 7);
  assert.is(window.find(window.digest('base', Buffer.from('a'))), undefined);
  assert.is(window.find(window.digest('process', Buffer.from('b'))), undefined);
  // The channel ends where it ends: nothing of it can pass for a part of the body.
  window.remember(window.digest('ab', Buffer.from('c')), 8);
  assert.is(window.find(window.digest('a', Buffer.from('bc'))), undefined);
});

test('a report that comes before the window is open is refused, and changes nothing for those that are remembered', async () => {
  const fixture = await makeWindow(64);
  fixture.window.remember(digestOf(fixture.window, 'a'), 7);
  await fixture.window.sync();
  let early: unknown;
  fixture.reopen('kill', (window) => {
    try {
      digestOf(window, 'a');
    } catch (error) {
      early = error;
    }
  });
  assert.is((early as HoldfastError).code, 'spool-closed');
  assert.is(fixture.window.find(digestOf(fixture.window, 'a')), 7);
});

test('digests bodies of any size, one after another', async () => {
  const { window } = await makeWindow(64);
  for (const size of [0, 4000, 5000, 70_000, 10, 2_000_000, 3]) {
    const body = Buffer.alloc(size, size % 251);
    const digest = window.digest('process', body);
    assert.equal(digest, window.digest('process', Buffer.from(body)), `${size} bytes`);
  }
});

test('forgets after its time', async () => {
  const fixture = await makeWindow(64);
  const { window } = fixture;
  window.remember(digestOf(window, 'a'), 1);
  fixture.nowMs += 600_000;
  assert.is(window.find(digestOf(window, 'a')), 1);
  fixture.nowMs += 101;
  assert.is(window.find(digestOf(window, 'a')), undefined);
  assert.is(window.forgottenEarly, 0);
});

test('forgets the oldest when there is no room, and counts it', async () => {
  const { window } = await makeWindow(10);
  for (let index = 0; index < 25; index++) window.remember(digestOf(window, `${index}`), index + 1);
  for (let index = 0; index < 25; index++) {
    assert.is(window.find(digestOf(window, `${index}`)), index < 15 ? undefined : index + 1);
  }
  assert.is(window.forgottenEarly, 15);
});

test('all but one equal bit are not yet a repeat', async () => {
  const { window } = await makeWindow(64);
  const one = digestOf(window, 'one');
  const other = one.slice(0, 31) + String.fromCharCode(one.charCodeAt(31) ^ 1);
  window.remember(one, 1);
  assert.is(window.find(other), undefined);
  window.remember(other, 2);
  assert.is(window.find(one), 1);
  assert.is(window.find(other), 2);
});

test('goes on at the right place after a restart, whatever the order of the sequences', async () => {
  const random = new Random(3);
  for (const capacity of [50, 700]) {
    const fixture = await makeWindow(capacity);
    const remembered: string[] = [];
    let sequence = 1000;
    for (let turn = 0; turn < 40; turn++) {
      const { window } = fixture;
      for (let count = random.below(60); count > 0; count--) {
        const text = `${remembered.length}`;
        // Lanes finish in any order.
        window.remember(digestOf(window, text), sequence + random.between(-500, 500));
        sequence++;
        remembered.push(text);
      }
      await window.sync();
      fixture.nowMs = Math.max(fixture.nowMs, fixture.reopen(random.pick(['kill', 'power'])));
      const { window: next } = fixture;
      const kept = remembered.slice(-capacity);
      for (const text of kept) assert.ok(next.find(digestOf(next, text)) !== undefined, `${text} after turn ${turn}`);
    }
  }
});

test('a reader of the ring never goes round in circles', async () => {
  const fixture = await makeWindow(3);
  for (let turn = 0; turn < 200; turn++) {
    const { window } = fixture;
    window.remember(digestOf(window, `${turn % 5}`), turn % 2 === 0 ? turn : 1000 - turn);
    await window.sync();
    if (turn % 7 === 0) fixture.reopen();
    for (let index = 0; index < 5; index++) fixture.window.find(digestOf(fixture.window, `${index}`));
  }
});

test('a damaged file is begun anew; a damaged entry is left out', async () => {
  const fixture = await makeWindow(64);
  for (let index = 0; index < 20; index++) {
    fixture.window.remember(digestOf(fixture.window, `${index}`), index + 1);
  }
  await fixture.window.sync();
  const file = fixture.fileSystem.open('/spool/repeats');
  file.write(Buffer.from([0xff]), 4096 + 48 * 4);
  file.close();
  fixture.reopen();
  for (let index = 0; index < 20; index++) {
    const expected = index === 4 ? undefined : index + 1;
    assert.is(fixture.window.find(digestOf(fixture.window, `${index}`)), expected);
  }
  const again = fixture.fileSystem.open('/spool/repeats');
  again.write(Buffer.from([0xff]), 20);
  again.close();
  fixture.reopen();
  for (let index = 0; index < 20; index++) {
    assert.is(fixture.window.find(digestOf(fixture.window, `${index}`)), undefined);
  }
  fixture.window.remember(digestOf(fixture.window, 'new'), 99);
  await fixture.window.sync();
  fixture.reopen('power');
  assert.is(fixture.window.find(digestOf(fixture.window, 'new')), 99);
});

test('a disk that takes nothing does not fill the memory', async () => {
  const fixture = await makeWindow(262_144);
  const { window } = fixture;
  fixture.fileSystem.plan = (kind) => (kind === 'write' ? 'ENOSPC' : undefined);
  for (let index = 0; index < 40_000; index++) window.remember(digestOf(window, `${index}`), index + 1);
  assert.ok(window.forgottenEarly >= 40_000 - 17_000, `${window.forgottenEarly}`);
  assert.is(window.find(digestOf(window, '39999')), 40_000);
  assert.is(window.find(digestOf(window, '0')), undefined);
});

test('after a failed sync everything is written once more', async () => {
  const fixture = await makeWindow(64);
  await fixture.window.sync();
  fixture.window.remember(digestOf(fixture.window, 'a'), 1);
  let isFailing = true;
  fixture.fileSystem.plan = (kind) => (kind === 'synced' && isFailing ? 'EIO' : undefined);
  const error = await fixture.window.sync().catch((reason: unknown) => reason);
  assert.instance(error, Error);
  isFailing = false;
  const isInCache = fixture.window.find(digestOf(fixture.window, 'a')) === 1;
  await fixture.window.sync();
  fixture.reopen('power');
  assert.is(fixture.window.find(digestOf(fixture.window, 'a')), isInCache ? 1 : undefined);
});

test.run();
