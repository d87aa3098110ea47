/** docs/spool-format.md is enough to write another reader: reader.py was, and finds what the gateway finds. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { LogName } from '../../src/spool/index.ts';
import { Random } from '../support/random.ts';
import { flipBit, makeRealSpool, type RealSpool } from './real-spool.ts';
import { report } from './spool-on-fault-disk.ts';

const reader = fileURLToPath(new URL('reader.py', import.meta.url));
const hasPython = spawnSync('python3', ['--version']).status === 0;
if (!hasPython) console.log('skipped: there is no python3 on this computer to run reader.py with');
const hasZstd = spawnSync('zstd', ['--version']).status === 0;
if (hasPython && !hasZstd)
  console.log('there is no zstd on this computer: reader.py is tried without compressed groups');
const when = hasPython ? test : test.skip;

const logs: readonly LogName[] = ['alarm', 'state', 'process', 'bulk', 'deferred', 'quarantine', 'refused'];

function readByPython(folder: string): object[] {
  const { status, stdout, stderr } = spawnSync('python3', [reader, folder], { encoding: 'utf8', maxBuffer: 1e8 });
  assert.is(status, 0, stderr);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

async function readByGateway(real: RealSpool): Promise<object[]> {
  const all: object[] = [];
  for (const log of logs) {
    for (const record of await real.read(log)) {
      const { ordinal, sequence, boot, monotonicUs, wallMs, clockTrusted, movedIn, channel, serial } = record;
      const { previous = null, reason = null, payload } = record;
      const sha256 = createHash('sha256').update(payload).digest('hex');
      const identity = { sequence, boot, monotonicUs, wallMs, clockTrusted, movedIn, channel, serial, previous };
      all.push({ log, ordinal, ...identity, reason, sha256 });
    }
  }
  return all;
}

function body(random: Random): Buffer {
  const bytes = random.between(0, 6000);
  return random.chance(0.5) ? random.bytes(bytes) : Buffer.alloc(bytes, `{"n": ${random.below(1000)}}`);
}

/** A spool with everything in it: many segments, all logs, records done in and out of turn, segments used again. */
async function makeBusySpool(seed: number): Promise<RealSpool> {
  const random = new Random(seed);
  const real = await makeRealSpool(hasZstd && seed % 2 === 0 ? 'always' : 'off');
  for (let round = 0; round < 6; round++) {
    for (const lane of ['alarm', 'state', 'process', 'bulk'] as const) {
      const work = Array.from({ length: random.between(1, 40) }, () =>
        real.spool.append(lane, report(body(random), lane, random.pick(['A', 'B', 'C']))),
      );
      await Promise.all(work);
      for (const record of await real.read(lane)) {
        if (random.chance(round < 4 ? 0.8 : 0.3)) real.spool.acknowledge(lane, record.ordinal);
      }
    }
    const some = (await real.read('process')).filter(() => random.chance(0.3));
    await real.spool.move('process', some.slice(0, 5), 'deferred', '1790000000000 not yet');
    await real.spool.move('process', some.slice(5, 9), 'quarantine', 'malformed');
    await real.spool.keepRefused(report('not JSON', 'base', 'D'), 'naïve');
    if (random.chance(0.3)) {
      await real.spool.close();
      await real.open();
    }
  }
  return real;
}

when('another reader finds the same records, in a stopped and in a killed spool', async () => {
  for (const seed of [1, 2, 3]) {
    const real = await makeBusySpool(seed);
    // The cursor on disk lags: a new process sees what the other reader sees.
    await real.open();
    const expected = await readByGateway(real);
    assert.ok(expected.length > 50, `${expected.length} records`);
    assert.equal(readByPython(real.folder), expected);
    await real.spool.close();
    assert.equal(readByPython(real.folder), expected);
  }
});

when('the same after damage', async () => {
  for (const seed of [4, 5, 6, 7]) {
    const random = new Random(seed);
    const real = await makeBusySpool(seed);
    await real.spool.close();
    for (const log of logs) {
      for (const name of fs.readdirSync(real.path(log)).filter((file) => file.endsWith('.segment'))) {
        const path = real.path(`${log}/${name}`);
        const { size } = fs.statSync(path);
        if (random.chance(0.5)) flipBit(path, random.below(size));
        if (random.chance(0.1)) for (const at of [9, 2057]) flipBit(path, at);
        if (random.chance(0.05)) fs.truncateSync(path, random.below(size));
      }
    }
    const found = readByPython(real.folder);
    await real.open();
    assert.equal(found, await readByGateway(real), `seed ${seed}`);
  }
});

test.run();
