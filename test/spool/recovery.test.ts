/** What a start makes of damage on real files. Each `open` is a new process after a kill. */
import * as fs from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isHoldfastError } from '../../src/errors.ts';
import type { Spool } from '../../src/spool/index.ts';
import { flipBit, makeRealSpool, patch, range, sequences } from './real-spool.ts';

function addsUp({ status }: Spool): void {
  const { accepted, delivered, pending, quarantined, evicted } = status;
  assert.is(accepted, delivered + pending + quarantined + evicted);
}

test('after a kill everything is there, and goes on', async () => {
  const real = await makeRealSpool();
  await real.append(150);
  await real.open();
  assert.equal(sequences(await real.read()), range(1, 150));
  await real.append(50);
  await real.open();
  assert.equal(sequences(await real.read()), range(1, 200));
  assert.equal(
    (await real.read()).map(({ previous }) => previous),
    [undefined, ...range(1, 199)],
  );
  assert.is(real.lost, 0);
  addsUp(real.spool);
});

for (const [name, tear] of [
  ['cut in the middle', (path: string, at: number) => patch(path, at + 500, (bytes) => bytes.fill(0), 600)],
  ['without its beginning', (path: string, at: number) => patch(path, at, (bytes) => bytes.fill(0), 60)],
  ['cut off with the file', (path: string, at: number) => fs.truncateSync(path, at + 100)],
] as const) {
  test(`a torn last write, ${name}, is no loss and no damage`, async () => {
    const real = await makeRealSpool();
    await real.append(20);
    const last = (await real.read()).at(-1)!;
    tear(real.path('process/00000001.segment'), last.at);
    await real.open();
    assert.equal(sequences(await real.read()), range(1, 19));
    assert.is(real.spool.status.quarantined, 0);
    assert.is(real.lost, 0);
    await real.append(5);
    await real.open();
    assert.equal(
      (await real.read()).map(({ ordinal }) => ordinal),
      range(0, 23),
    );
    addsUp(real.spool);
  });
}

test('a torn last group is cut at its first hole: nothing of it was acknowledged', async () => {
  const real = await makeRealSpool();
  await real.append(10);
  const bodies = range(11, 16).map((sequence) => Buffer.from(`${sequence} `.padEnd(1000, '.')));
  await Promise.all(
    bodies.map((payload) => real.spool.append('process', { channel: 'process', serial: 'M1', payload })),
  );
  flipBit(real.path('process/00000001.segment'), (await real.read())[12]!.at + 300);
  await real.open();
  assert.equal(sequences(await real.read()), range(1, 12));
  assert.is(real.lost, 0);
  await real.append(3);
  await real.open();
  assert.is((await real.read()).length, 15);
});

for (const where of ['the newest segment', 'an older segment'] as const) {
  test(`a flipped bit in ${where} costs that record: counted, and its bytes kept`, async () => {
    const real = await makeRealSpool();
    await real.append(150);
    const index = where === 'an older segment' ? 70 : 140;
    const records = await real.read();
    const hit = records[index]!;
    const path = real.path(`process/0000000${hit.epoch}.segment`);
    assert.is(hit.epoch === records.at(-1)!.epoch, where === 'the newest segment');
    flipBit(path, hit.at + 200);
    await real.open();
    assert.equal(
      sequences(await real.read()),
      range(1, 150).filter((sequence) => sequence !== index + 1),
    );
    assert.is(real.lost, 1);
    assert.is(real.spool.status.quarantined, 1);
    assert.is(real.spool.status.logs.process.corrupt, 1);
    addsUp(real.spool);
    const kept = fs.readdirSync(real.path('damaged'));
    assert.is(kept.length, 1);
    const bytes = fs.readFileSync(real.path(`damaged/${kept[0]}`));
    // The padding of the page may follow.
    const length = (hit.length + 7) & ~7;
    assert.ok(bytes.subarray(0, length).equals(fs.readFileSync(path).subarray(hit.at, hit.at + length)));
    assert.ok(bytes.subarray(length).every((byte) => byte === 0));
    // It is counted once, however often it is read and the box is started.
    await real.read();
    await real.spool.close();
    await real.open();
    await real.read();
    assert.is(real.spool.status.quarantined, 1);
    assert.is(real.lost, 1);
    addsUp(real.spool);
  });
}

test('one copy of a segment header may be damaged, even both', async () => {
  for (const copies of [[0], [2048], [0, 2048]]) {
    for (const slot of [1, 2, 3]) {
      const real = await makeRealSpool();
      await real.append(150);
      for (const at of copies) flipBit(real.path(`process/0000000${slot}.segment`), at + 20);
      await real.open();
      assert.equal(sequences(await real.read()), range(1, 150), `copies ${copies} of segment ${slot}`);
      await real.append(10);
      await real.open();
      assert.equal(sequences(await real.read()), range(1, 160));
      assert.is(real.lost, 0);
      assert.is(real.spool.status.accepted, 160);
      addsUp(real.spool);
      assert.is((await real.spool.take(75))?.record.sequence, 75);
    }
  }
});

for (const [name, damage] of [
  ['missing', (path: string) => fs.rmSync(path)],
  ['full of nonsense', (path: string) => fs.writeFileSync(path, Buffer.alloc(70_000, 0x5a))],
  ['cut short', (path: string) => fs.truncateSync(path, 50)],
  ['empty', (path: string) => fs.truncateSync(path, 0)],
] as const) {
  test(`a cursor that is ${name} costs repeats, never loss, and no sequence twice`, async () => {
    const real = await makeRealSpool();
    await real.append(150);
    for (const { ordinal } of await real.read()) if (ordinal < 100) real.spool.acknowledge('process', ordinal);
    await real.spool.close();
    damage(real.path('process/cursor'));
    await real.open();
    const again = sequences(await real.read());
    assert.equal(
      again.filter((sequence) => sequence > 100),
      range(101, 150),
    );
    await real.append(1);
    assert.is((await real.read()).at(-1)!.sequence, 151);
    addsUp(real.spool);
    for (const { ordinal } of await real.read()) real.spool.acknowledge('process', ordinal);
    await real.spool.close();
    await real.open();
    assert.is((await real.read()).length, 0);
    assert.is(real.spool.status.delivered, 151);
    addsUp(real.spool);
  });
}

test('one damaged slot of the cursor file leaves the other', async () => {
  for (const slot of [0, 1]) {
    const real = await makeRealSpool();
    await real.append(50);
    for (const count of [10, 20, 30]) {
      for (let ordinal = 0; ordinal < count; ordinal++) real.spool.acknowledge('process', ordinal);
      await real.spool.close();
      await real.open();
    }
    flipBit(real.path('process/cursor'), slot * 32 * 1024 + 40);
    await real.open();
    const left = (await real.read()).length;
    assert.ok(left === 20 || left === 30, `${left}`);
    addsUp(real.spool);
  }
});

for (const name of ['checkpoint', 'repeats']) {
  for (const how of ['cut', 'nonsense', 'missing', 'empty']) {
    test(`${name} ${how}: nothing is lost, chains go on, stored reports are recognised`, async () => {
      const real = await makeRealSpool();
      await real.append(60);
      await real.spool.close();
      const path = real.path(name);
      if (how === 'cut') fs.truncateSync(path, 30);
      else if (how === 'nonsense') fs.writeFileSync(path, Buffer.alloc(5000, 0x7b));
      else if (how === 'empty') fs.truncateSync(path, 0);
      else fs.rmSync(path);
      await real.open();
      await real.append(1);
      const records = await real.read();
      assert.equal(sequences(records), range(1, 61));
      assert.is(records.at(-1)!.previous, 60);
      const { repeats } = real.spool;
      if (name === 'checkpoint') assert.is(repeats.find(repeats.digest('process', records[7]!.payload)), 8);
      repeats.remember(repeats.digest('process', records[8]!.payload), 9);
      assert.is(repeats.find(repeats.digest('process', records[8]!.payload)), 9);
    });
  }
}

test('a missing segment in the middle is counted, and the rest goes on', async () => {
  const real = await makeRealSpool();
  await real.append(200);
  const records = await real.read();
  const gone = records.filter(({ epoch }) => epoch === 2).map(({ sequence }) => sequence);
  fs.rmSync(real.path('process/00000002.segment'));
  await real.open();
  const left = range(1, 200).filter((sequence) => !gone.includes(sequence));
  assert.equal(sequences(await real.read()), left);
  assert.is(real.lost, gone.length);
  assert.is(real.spool.status.quarantined, gone.length);
  addsUp(real.spool);
  await real.append(1);
  await real.open();
  assert.equal(sequences(await real.read()), [...left, 201]);
  addsUp(real.spool);
});

test('a missing newest segment: no ordinal that is done is given out again', async () => {
  const real = await makeRealSpool();
  await real.append(100);
  // Out of turn: ranges beyond the cursor that reach into the newest segment.
  for (const { ordinal } of await real.read()) if (ordinal % 3 === 0) real.spool.acknowledge('process', ordinal);
  await real.spool.close();
  fs.rmSync(real.path('process/00000002.segment'));
  await real.open();
  await real.append(20);
  const records = await real.read();
  assert.equal(records.slice(-20).length, 20);
  assert.equal(sequences(records.slice(-20)), range(101, 120));
  addsUp(real.spool);
});

test('a segment that was cut short keeps what is left, and counts the rest', async () => {
  const real = await makeRealSpool();
  await real.append(150);
  const records = await real.read();
  const cut = records[30]!;
  fs.truncateSync(real.path('process/00000001.segment'), cut.at + 10);
  await real.open();
  const left = records.filter((record) => record.epoch > 1 || record.ordinal < 30).map(({ sequence }) => sequence);
  assert.equal(sequences(await real.read()), left);
  assert.is(real.lost, 150 - left.length);
  addsUp(real.spool);
});

test('two damaged records side by side, and one at the very end of a full segment', async () => {
  const real = await makeRealSpool();
  await real.append(150);
  const records = await real.read();
  const last = records.findLast(({ epoch }) => epoch === 1)!;
  for (const hit of [records[5]!, records[6]!, last]) flipBit(real.path('process/00000001.segment'), hit.at + 8);
  await real.open();
  const left = range(1, 150).filter((sequence) => ![6, 7, last.sequence].includes(sequence));
  assert.equal(sequences(await real.read()), left);
  assert.is(real.lost, 3);
  addsUp(real.spool);
});

test('what cannot be read in the folders does not stop a start', async () => {
  const real = await makeRealSpool();
  await real.append(5);
  await real.spool.close();
  fs.writeFileSync(real.path('process/notes.txt'), 'hello');
  fs.writeFileSync(real.path('process/00000099.segment'), '');
  fs.writeFileSync(real.path('checkpoint.new'), '{');
  await real.open();
  await real.append(100);
  assert.is((await real.read()).length, 105);
  await real.spool.close();
  assert.ok(fs.existsSync(real.path('process/notes.txt')));
});

test('starting with a version that is not known is refused', async () => {
  const { crc32c } = await import('../../src/spool/crc32c.ts');
  const damages: Record<string, (path: (name: string) => string) => void> = {
    header: (path) => {
      const name = path('process/00000001.segment');
      for (const at of [0, 2048]) {
        patch(name, at, (bytes) => bytes.writeUInt32LE(2, 12) && bytes.writeUInt32LE(crc32c(bytes, 12, 80), 8), 80);
      }
    },
    record: (path) => {
      patch(
        path('process/00000001.segment'),
        4096,
        (bytes) => {
          bytes[9] = 2;
          bytes.writeUInt32LE(crc32c(bytes, 4, bytes.readUInt32LE(4)), 0);
        },
        3000,
      );
    },
    cursor: (path) => {
      const data = fs.readFileSync(path('process/cursor'));
      for (const slot of [data.subarray(0, 32 * 1024), data.subarray(32 * 1024)]) {
        slot.writeUInt32LE(2, 12);
        slot.writeUInt32LE(crc32c(slot, 12, 104 + slot.readUInt32LE(16) * 12), 8);
      }
      fs.writeFileSync(path('process/cursor'), data);
    },
  };
  for (const [name, damage] of Object.entries(damages)) {
    const real = await makeRealSpool();
    await real.append(3);
    real.spool.acknowledge('process', 0);
    await real.spool.close();
    damage(real.path);
    const error = await real.open().catch((reason: unknown) => reason);
    assert.ok(isHoldfastError(error, 'spool-version'), `${name}: ${error}`);
  }
});

test.run();
