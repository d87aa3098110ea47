import { crc32 } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  centre,
  dayMs,
  hourMs,
  identity,
  machine,
  newDisk,
  openBox,
  otherBox,
  readText,
  siteTime,
  stranger,
  TestBox,
  writeText,
} from './box.ts';

const test = suite('leases');
const journalPath = '/data/store/authorization';

test('a granted answer makes a lease for exactly that identity, until the grace ends', async () => {
  const box = await openBox();
  assert.is(box.look(), 'none');
  assert.is(await box.state.leases.grant(identity), 'lease');
  assert.is(box.look(), 'valid');
  for (const field of ['model', 'name', 'address', 'customer'] as const) {
    assert.is(box.look({ ...identity, [field]: `${identity[field]} ` }), 'other-identity', field);
  }
  assert.is(box.look(machine('sn000002')), 'none');
  box.clock.advance(72 * hourMs - 1);
  assert.is(box.look(), 'valid');
  box.clock.advance(1);
  assert.is(box.look(), 'expired');
  await box.state.close();
});

test('a lease ends at its own end when that is earlier', async () => {
  const box = await openBox({ isPinned: true });
  const until = siteTime.format(box.clock.wallMs() + hourMs);
  assert.is(await box.state.leases.grant(identity, { grant: box.sign({ until }) }), 'lease');
  box.clock.advance(hourMs - 1000);
  assert.is(box.look(), 'valid');
  box.clock.advance(1000);
  assert.is(box.look(), 'expired');
  await box.state.close();

  const legacy = await openBox();
  await legacy.state.leases.grant(identity, { until });
  const check = legacy.state.leases.check(identity);
  assert.ok(check.valid && check.endsAtMs === siteTime.parse(until));
  await legacy.state.close();
});

test('with a pinned key only what the centre has signed for this gateway makes a lease', async () => {
  const box = await openBox({ isPinned: true });
  const { leases } = box.state;
  assert.is(await leases.grant(identity), 'unsigned');
  assert.is(await leases.grant(identity, { grant: box.sign({}, 'gw-2') }), 'bad-signature');
  assert.is(await leases.grant(identity, { grant: box.sign({}, 'gw-1', stranger.privateKey) }), 'bad-signature');
  assert.is(await leases.grant(identity, { grant: box.sign({ identity: machine('sn2') }) }), 'bad-signature');
  const grant = box.sign();
  assert.is(await leases.grant(identity, { grant: { ...grant, until: '2099-01-01 00:00:00' } }), 'bad-signature');
  assert.is(await leases.applyChange(box.sign({ version: 9 }, 'gw-2')), 'bad-signature');
  assert.is(box.look(), 'none');
  assert.is(await leases.grant(identity, { grant }), 'lease');
  assert.is(
    leases.get('sn000001')?.kind === 'lease' && (leases.get('sn000001') as { source: string }).source,
    'signed',
  );
  await box.state.close();
});

test('times that cannot be read, and line feeds, make nothing', async () => {
  const box = await openBox();
  const { leases } = box.state;
  assert.is(await leases.grant(identity, { until: 'for ever' }), 'malformed');
  assert.is(await leases.grant({ ...identity, name: 'a\nb' }), 'malformed');
  assert.is(await leases.applyChange({ ...box.sign(), until: '2026-02-30 00:00:00' }), 'malformed');
  assert.is(await leases.applyChange({ ...box.sign(), identity: { ...identity, name: 'a\nb' } }), 'malformed');
  assert.is(box.look(), 'none');
  await box.state.close();
});

test('a denial deletes the lease and is remembered over a restart', async () => {
  const fileSystem = await newDisk();
  const box = await openBox({ fileSystem });
  await box.state.leases.grant(identity);
  await box.state.leases.deny(identity.serial, { text: 'not-authorized' });
  assert.is(box.look(), 'revoked');
  const next = await openBox({ fileSystem: fileSystem.afterPowerCut() });
  const check = next.state.leases.check(identity);
  assert.is(!check.valid && check.denial?.text, 'not-authorized');
  assert.is(await next.state.leases.grant(identity), 'lease');
  assert.is(next.look(), 'valid');
  await next.state.close();
});

test('a machine that is denied or granted again and again does not wear out the flash', async () => {
  const fileSystem = await newDisk();
  const box = await openBox({ fileSystem });
  const { leases } = box.state;
  await leases.grant(identity);
  await leases.deny('sn000002', { text: 'not-authorized' });
  const before = fileSystem.syncs;
  for (let count = 0; count < 50; count++) {
    box.clock.advance(1000);
    await leases.grant(identity);
    await leases.deny('sn000002', { text: 'not-authorized' });
  }
  // One for the saved time.
  assert.is(fileSystem.syncs - before, 1);
  box.clock.advance(11_000);
  await leases.grant(identity);
  assert.ok(fileSystem.syncs > before);
  await box.state.close();
});

test('changes: a newer version counts, older and equal ones are ignored, a past end revokes', async () => {
  const box = await openBox({ isPinned: true });
  const { leases } = box.state;
  assert.is(await leases.applyChange(box.sign({ version: 3 })), 'lease');
  assert.is(box.look(), 'valid');
  assert.is(await leases.applyChange(box.sign({ version: 3 })), 'stale');
  assert.is(await leases.applyChange(box.sign({ version: 2, until: '2020-01-01 00:00:00' })), 'stale');
  assert.is(box.look(), 'valid');
  const revocation = box.sign({ version: 4, until: '2020-01-01 00:00:00' });
  assert.is(await leases.applyChange(revocation), 'denied');
  assert.is(box.look(), 'revoked');
  assert.is(await leases.applyChange(box.sign({ version: 3 })), 'stale');
  assert.is(await leases.grant(identity, { grant: box.sign({ version: 3 }) }), 'stale');
  assert.is(box.look(), 'revoked');
  assert.is(await leases.applyChange(box.sign({ version: 5 })), 'lease');
  assert.is(box.look(), 'valid');
  await box.state.close();
});

test('what is remembered of versions survives denials and restarts', async () => {
  const fileSystem = await newDisk({ isPinned: true });
  const box = await openBox({ fileSystem });
  const old = box.sign({ version: 7 });
  await box.state.leases.grant(identity, { grant: old });
  await box.state.leases.deny(identity.serial, { text: 'identity-mismatch' });
  const next = await openBox({ fileSystem: fileSystem.afterPowerCut(), clock: box.clock });
  assert.is(await next.state.leases.grant(identity, { grant: old }), 'stale', 'the same answer again');
  assert.is(next.look(), 'revoked');
  next.clock.advance(1000);
  assert.is(await next.state.leases.grant(identity, { grant: next.sign({ version: 7 }) }), 'lease', 'a later answer');
  assert.is(await next.state.leases.revoke(identity.serial), true);
  assert.is(await next.state.leases.revoke(identity.serial), false);
  assert.is(next.look(), 'revoked');
  assert.is(await next.state.leases.grant(identity, { grant: old }), 'stale');
  await next.state.close();
});

test('changes of one machine that come together are decided one after another', async () => {
  const box = await openBox({ isPinned: true });
  const { leases } = box.state;
  const results = await Promise.all([
    leases.applyChange(box.sign({ version: 2 })),
    leases.applyChange(box.sign({ version: 3, until: '2020-01-01 00:00:00' })),
    leases.grant(identity, { grant: box.sign({ version: 2 }) }),
  ]);
  assert.equal(results, ['lease', 'denied', 'stale']);
  assert.is(box.look(), 'revoked');
  await box.state.close();
});

test('a copied data folder does not grant on another box', async () => {
  for (const isPinned of [false, true]) {
    const fileSystem = await newDisk({ isPinned });
    const box = await openBox({ fileSystem });
    await box.state.leases.grant(identity, isPinned ? { grant: box.sign() } : {});
    await box.state.leases.deny('sn000002', {});
    await box.state.close();
    const copy = await openBox({ fileSystem, clock: box.clock, root: otherBox });
    assert.is(copy.look(), 'bad-seal');
    assert.is(copy.look(machine('sn000002')), 'revoked');
    assert.ok(copy.alarms.active.has('lease-seal-invalid'));
    await copy.state.close();
    const other = await openBox({ fileSystem, clock: box.clock, gatewayId: 'gw-2' });
    assert.is(other.look(), 'bad-seal');
    await other.state.close();
    const home = await openBox({ fileSystem, clock: box.clock });
    assert.is(home.look(), 'valid');
    assert.not.ok(home.alarms.active.has('lease-seal-invalid'));
    await home.state.close();
  }
});

test('without its own key file a box does not grant', async () => {
  const fileSystem = await newDisk();
  const box = await openBox({ fileSystem });
  await box.state.leases.grant(identity);
  await box.state.close();
  for (const content of ['', 'x'.repeat(32), 'x'.repeat(31)]) {
    writeText(fileSystem, '/data/secrets/box.key', content);
    const next = await openBox({ fileSystem, clock: box.clock });
    assert.is(next.look(), 'bad-seal');
    assert.ok(next.alarms.active.has('lease-seal-invalid'));
    await next.state.close();
  }
});

test('an edited lease file does not grant, whatever was edited', async () => {
  const fileSystem = await newDisk({ isPinned: true });
  const box = await openBox({ fileSystem });
  await box.state.leases.grant(identity, { grant: box.sign({ until: siteTime.format(box.clock.wallMs() + hourMs) }) });
  await box.state.close();
  const original = readText(fileSystem, journalPath);
  const line = original.split('\n').find((each) => each.includes('lease/'))!;
  const stored = (JSON.parse(line.slice(line.indexOf('[['))) as [[string, { entry: Record<string, unknown> }]])[0][1];
  const edits: ((entry: Record<string, unknown>) => void)[] = [
    (entry) => Object.assign(entry.identity as object, { name: '重庆2号机' }),
    (entry) => Object.assign(entry, { until: '2099-01-01 00:00:00' }),
    (entry) => Object.assign(entry, { grantedAtMs: (entry.grantedAtMs as number) + dayMs }),
    (entry) => Object.assign(entry, { source: 'legacy' }),
    (entry) => Object.assign(entry, { version: 99 }),
    (entry) => Object.assign(entry, { version: undefined, signature: undefined, source: 'legacy' }),
    (entry) => Object.assign(entry, { identity: null }),
  ];
  for (const edit of edits) {
    const changed = structuredClone(stored);
    edit(changed.entry);
    // With a right checksum: whoever edits it can do that.
    const [, number, first] = line.split(' ');
    const rest = `${number} ${first} ${JSON.stringify([['lease/sn000001', changed]])}`;
    const forged = `${crc32(rest).toString(16).padStart(8, '0')} ${rest}`;
    writeText(fileSystem, journalPath, original.replace(line, forged));
    const next = await openBox({ fileSystem, clock: box.clock });
    assert.is.not(next.look(), 'valid', forged);
    assert.is.not(next.look({ ...identity, name: '重庆2号机' }), 'valid', forged);
    assert.is(next.state.leases.untilOf(identity.serial), undefined, 'people are not told it either');
    assert.ok(next.alarms.active.has('lease-seal-invalid'));
    await next.state.close();
  }
  writeText(fileSystem, journalPath, original);
  const next = await openBox({ fileSystem, clock: box.clock });
  assert.is(next.look(), 'valid');
  const until = siteTime.format(box.clock.wallMs() + hourMs);
  assert.is(next.state.leases.untilOf(identity.serial), until);
  next.clock.advance(2 * hourMs);
  assert.equal([next.look(), next.state.leases.untilOf(identity.serial)], ['expired', until]);
  await next.state.close();
});

test('a denial that cannot be read any more does not bring the lease before it back', async () => {
  const fileSystem = await newDisk({ isPinned: true });
  const box = await openBox({ fileSystem });
  const [before, after] = [machine('before'), machine('after')];
  for (const who of [identity, before]) await box.state.leases.grant(who, { grant: box.sign({ identity: who }) });
  await box.state.leases.deny(identity.serial, {});
  await box.state.leases.grant(after, { grant: box.sign({ identity: after }) });
  await box.state.close();
  const original = readText(fileSystem, journalPath);
  const looks = (one: TestBox) => [one.look(), one.look(before), one.look(after)];
  for (const edited of [
    original.replace('"kind":"denial"', '"kind":"Denial"'),
    original.replace(/^.*"kind":"denial".*\n/m, ''),
  ]) {
    assert.is.not(edited, original);
    writeText(fileSystem, journalPath, edited);
    const reader = new TestBox({ fileSystem, clock: box.clock });
    await reader.state.open({ readOnly: true });
    assert.equal(looks(reader), ['revoked', 'revoked', 'valid']);
    await reader.state.close();
    for (const start of ['the next one', 'the one after it']) {
      const next = await openBox({ fileSystem, clock: box.clock });
      assert.equal(looks(next), ['revoked', 'revoked', 'valid'], start);
      assert.is(next.alarms.active.has('journal-corrupt'), start === 'the next one');
      await next.state.close();
    }
  }
  box.clock.advance(2000);
  const next = await openBox({ fileSystem, clock: box.clock });
  assert.is(await next.state.leases.grant(before, { grant: next.sign({ identity: before }) }), 'lease');
  assert.equal(looks(next), ['revoked', 'valid', 'valid']);
  await next.state.close();
});

test('a lease that was signed is not valid under another key of the centre', async () => {
  const fileSystem = await newDisk({ isPinned: true });
  const box = await openBox({ fileSystem });
  await box.state.leases.grant(identity, { grant: box.sign() });
  await box.state.close();
  writeText(
    fileSystem,
    '/data/secrets/centre.pub',
    stranger.publicKey.export({ format: 'pem', type: 'spki' }) as string,
  );
  const next = await openBox({ fileSystem, clock: box.clock });
  assert.is(next.look(), 'bad-signature');
  await next.state.close();
});

test('rebind seals again what the centre has signed; the rest only when it is asked for', async () => {
  const fileSystem = await newDisk();
  const box = await openBox({ fileSystem });
  await box.state.leases.grant(machine('legacy'));
  await box.state.close();
  const pem = centre.publicKey.export({ format: 'pem', type: 'spki' }) as string;
  const file = fileSystem.create('/data/secrets/centre.pub');
  file.write(Buffer.from(pem), 0);
  file.close();
  const pinned = await openBox({ fileSystem, clock: box.clock });
  await pinned.state.leases.grant(identity, { grant: pinned.sign() });
  await pinned.state.leases.deny('denied', {});
  await pinned.state.close();

  const moved = await openBox({ fileSystem, clock: box.clock, root: otherBox });
  assert.equal([moved.look(), moved.look(machine('legacy'))], ['bad-seal', 'bad-seal']);
  assert.equal(await moved.state.rebind({ forceLegacy: false }), { sealed: 2, left: ['legacy'] });
  assert.equal([moved.look(), moved.look(machine('legacy'))], ['valid', 'bad-seal']);
  assert.equal(await moved.state.rebind({ forceLegacy: true }), { sealed: 3, left: [] });
  assert.is(moved.look(machine('legacy')), 'valid');
  assert.not.ok(moved.alarms.active.has('lease-seal-invalid'));
  await moved.state.close();
  const after = await openBox({ fileSystem, clock: box.clock, root: otherBox });
  assert.equal([after.look(), after.look(machine('denied'))], ['valid', 'revoked']);
  assert.is(after.alarms.active.size, 0);
  await after.state.close();
});

test('the number of entries is bounded; expired leases and denials go first', async () => {
  const box = await openBox({ settings: { maxLeases: 100 } });
  const { leases } = box.state;
  for (let count = 0; count < 30; count++) await leases.grant(machine(`old${count}`));
  box.clock.advance(80 * hourMs);
  for (let count = 0; count < 40; count++) await leases.deny(`denied${count}`, {});
  for (let count = 0; count < 80; count++) await leases.grant(machine(`new${count}`));
  const kept = [...leases.list()];
  assert.ok(kept.length <= 100, `${kept.length}`);
  assert.is(kept.filter(({ serial }) => serial.startsWith('new')).length, 80);
  await Promise.all(Array.from({ length: 60 }, (_, count) => leases.grant(machine(`more${count}`))));
  assert.ok([...leases.list()].length <= 164);
  assert.is(box.look(machine('more59')), 'valid');
  await box.state.close();
});

test('a disk that takes nothing changes nothing', async () => {
  const fileSystem = await newDisk();
  const box = await openBox({ fileSystem });
  await box.state.leases.grant(identity);
  fileSystem.plan = (kind) => (kind === 'write' ? 'ENOSPC' : undefined);
  await rejects(box.state.leases.deny(identity.serial, {}));
  await rejects(box.state.leases.grant(machine('sn000002')));
  assert.equal([box.look(), box.look(machine('sn000002'))], ['valid', 'none']);
  fileSystem.plan = () => undefined;
  await box.state.leases.deny(identity.serial, {});
  assert.is(box.look(), 'revoked');
  await box.state.close();
});

test('a revocation that the disk does not take is in force, and is taken when it comes again', async () => {
  const fileSystem = await newDisk({ isPinned: true });
  const box = await openBox({ fileSystem });
  await box.state.leases.grant(identity, { grant: box.sign() });
  const past = siteTime.format(box.clock.wallMs() - dayMs);
  const revocation = box.sign({ version: 2, until: past });
  fileSystem.plan = (kind) => (kind === 'write' || kind === 'create' ? 'ENOSPC' : undefined);
  await rejects(box.state.leases.applyChange(revocation));
  assert.is(box.look(), 'revoked');
  fileSystem.plan = () => undefined;
  assert.is(await box.state.leases.applyChange(revocation), 'denied');
  const next = await openBox({ fileSystem: fileSystem.afterPowerCut(), clock: box.clock });
  assert.is(next.look(), 'revoked');
  assert.is(await next.state.leases.applyChange(next.sign({ version: 3 })), 'lease');
  assert.is(next.look(), 'valid');
});

test('a full disk at the start is an alarm until the disk takes something', async () => {
  const fileSystem = await newDisk();
  const before = await openBox({ fileSystem });
  await before.state.leases.grant(identity);
  await before.state.close();
  fileSystem.capacityBytes = 0;
  const box = await openBox({ fileSystem, clock: before.clock });
  assert.ok(box.alarms.active.has('journal-write-failed'));
  assert.is(box.look(), 'valid');
  fileSystem.capacityBytes = Number.POSITIVE_INFINITY;
  await box.clock.advanceGently(61_000);
  assert.not(box.alarms.active.has('journal-write-failed'));
  await box.state.close();
});

for (const how of ['kill', 'power'] as const) {
  test(`${how} at each call: a lease, and the denial after it, that were answered are there`, async () => {
    let step = 0;
    for (let isFinished = false; !isFinished; ) {
      step++;
      const fileSystem = await newDisk({ seed: step });
      fileSystem.dieAt = fileSystem.calls + step;
      const box = new TestBox({ fileSystem });
      let answered = 'none';
      try {
        await box.state.open();
        await box.state.leases.grant(identity);
        answered = 'valid';
        await box.state.audit.append('answer', { serial: identity.serial, granted: true });
        await box.state.leases.deny(identity.serial, { text: 'not-authorized' });
        answered = 'revoked';
        await box.state.close();
      } catch (error) {
        if (!fileSystem.isDead) throw error;
      }
      isFinished = !fileSystem.isDead;
      const survivor = how === 'kill' ? fileSystem.afterKill() : fileSystem.afterPowerCut();
      const next = await openBox({ fileSystem: survivor, clock: box.clock });
      const allowed =
        answered === 'none' ? ['none', 'valid'] : answered === 'valid' ? ['valid', 'revoked'] : ['revoked'];
      assert.ok(allowed.includes(next.look()), `step ${step}: ${next.look()} after ${answered}`);
      assert.is(next.alarms.active.size, 0, `step ${step}: ${[...next.alarms.active.keys()]}`);
      assert.is(await next.state.leases.grant(identity), 'lease');
      await next.state.audit.append('answer', {});
      await next.state.close();
    }
    assert.ok(step > 40, `only ${step} steps`);
  });
}

async function rejects(promise: Promise<unknown>): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  assert.is((error as { code?: string } | undefined)?.code, 'journal-write-failed');
}

test.run();
