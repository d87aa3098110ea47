import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isHoldfastError } from '../../src/errors.ts';
import { allLogs, openSpool, readAll, report, smallSegmentBytes, turns } from './spool-on-fault-disk.ts';

const refused = (error: unknown) => (isHoldfastError(error) ? error.code : error);

test('a lane that refused for want of quota is well again once there is room, also when nobody appends', async () => {
  const logs = { ...allLogs(), process: { ...allLogs().process, quotaBytes: 2 * smallSegmentBytes } };
  const { spool, clock } = await openSpool({ logs });
  const big = () => report('x'.repeat(20_000));
  let outcome: unknown;
  for (let count = 0; count < 20 && outcome === undefined; count++) {
    outcome = await spool.append('process', big()).then(() => undefined, refused);
  }
  assert.is(outcome, 'spool-full');
  clock.advance(10_000);
  await turns();
  assert.is(spool.status.logs.process.error?.code, 'spool-full');
  for (const record of await readAll(spool, 'process')) spool.acknowledge('process', record.ordinal);
  clock.advance(3000);
  await turns();
  assert.is(spool.status.logs.process.error, undefined);
  await spool.append('process', big());
  await spool.close();
});

test('a lane that refused for want of disk space is well again once there is some', async () => {
  const { spool, clock, fileSystem } = await openSpool();
  await spool.append('process', report('first'));
  fileSystem.capacityBytes = 1;
  let outcome: unknown;
  for (let count = 0; count < 20 && outcome === undefined; count++) {
    outcome = await spool.append('process', report('x'.repeat(20_000))).then(() => undefined, refused);
  }
  assert.is(outcome, 'spool-write-failed');
  clock.advance(10_000);
  await turns();
  assert.is(spool.status.logs.process.error?.code, 'spool-write-failed');
  fileSystem.capacityBytes = Number.POSITIVE_INFINITY;
  clock.advance(3000);
  await turns();
  assert.is(spool.status.logs.process.error, undefined);
  await spool.close();
});

test('a disk that is full to the last byte: what is delivered makes room, and the spool goes on by itself', async () => {
  const { spool, clock, fileSystem } = await openSpool();
  const big = () => report('x'.repeat(20_000));
  for (let count = 0; count < 30; count++) await spool.append('process', big());
  clock.advance(1000);
  await turns();
  fileSystem.capacityBytes = 1;
  let outcome: unknown;
  for (let count = 0; count < 20 && outcome === undefined; count++) {
    outcome = await spool.append('process', big()).then(() => undefined, refused);
  }
  assert.is(outcome, 'spool-write-failed');
  for (const record of await readAll(spool, 'process')) spool.acknowledge('process', record.ordinal);
  // The disk has not an inch more than what the spool itself has given back.
  fileSystem.capacityBytes = 2 ** 40;
  fileSystem.capacityBytes -= fileSystem.freeBytes('/data/spool');
  for (let second = 0; second < 4; second++) {
    clock.advance(1000);
    await turns();
  }
  assert.is(spool.status.logs.process.error, undefined);
  for (let count = 0; count < 10; count++) await spool.append('process', big());
  await spool.close();
});

test.run();
