import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type AuditVerdict, showAudit, verifyAudit } from '../../src/authorization/audit-verify.ts';
import type { FaultFileSystem } from '../support/fault-file-system.ts';
import { Random } from '../support/random.ts';
import { type BoxFacts, newDisk, openBox, readText, TestBox, writeText } from './box.ts';

const test = suite('audit log');
const folder = '/data/logs';
const path = `${folder}/audit.log`;
const smallFiles = { settings: { audit: { fileBytes: 4096, files: 3 } } } as const;

/** A box whose log holds so many lines after the first. */
async function withLines(count: number, facts: Partial<BoxFacts> = {}) {
  const fileSystem = await newDisk();
  const box = await openBox({ fileSystem, ...facts });
  for (let number = 0; number < count; number++) {
    await box.state.audit.append('query', { serial: `sn${number % 3}`, number, name: '重庆1号机' });
  }
  return { box, fileSystem };
}

const verify = (box: TestBox): Promise<AuditVerdict> => verifyAudit(box.state.auditSource);

/** What somebody finds who looks at the stopped box. */
async function verifyStopped(fileSystem: FaultFileSystem, facts: Partial<BoxFacts> = {}): Promise<AuditVerdict> {
  const box = new TestBox({ fileSystem, ...facts });
  await box.state.open({ readOnly: true });
  const verdict = await verify(box);
  await box.state.close();
  return verdict;
}

test('lines are chained, shown, and sound while running and when stopped', async () => {
  const { box, fileSystem } = await withLines(10);
  assert.equal(await verify(box), { sound: true, files: 1, lines: 10, bad: undefined, tornBytes: 0 });
  const lines = readText(fileSystem, path)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.equal(
    lines.map(({ seq, event }) => [seq, event]),
    Array.from({ length: 10 }, (_, index) => [index + 1, 'query']),
  );
  assert.is(lines[0].prev, '');
  for (let index = 1; index < 10; index++) assert.is(lines[index].prev, lines[index - 1].hash);
  assert.equal([lines[0].time, lines[0].trusted, lines[0].boot], ['2026-11-21T12:00:00.000Z', true, 'b00t']);
  const shown = await showAudit(box.state.auditSource, { serial: 'sn1', limit: 2 });
  assert.equal(
    shown.map(({ number }) => number),
    [4, 7],
  );
  assert.not.ok('hash' in shown[0]!);
  await box.state.close();
  assert.ok((await verifyStopped(fileSystem)).sound);
  const next = await openBox({ fileSystem });
  await next.state.audit.append('answer', {});
  assert.equal((await verify(next)).lines, 11);
});

test('no field takes the place of the own ones, and a line has a limit', async () => {
  const { box, fileSystem } = await withLines(0);
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`f${index}`, 'x'.repeat(5000)]));
  await box.state.audit.append('query', { seq: 99, hash: 'mine', prev: 'mine', event: 'mine', mac: 'mine' });
  await box.state.audit.append('query', many);
  await box.state.audit.append('query', { text: 'a\nb","hash":"x"}' });
  assert.equal((await verify(box)).lines, 3);
  assert.ok(readText(fileSystem, path).length < 16_000);
});

test('calls made together share one sync, which they wait for', async () => {
  const { box, fileSystem } = await withLines(1);
  const before = fileSystem.syncs;
  let done = 0;
  const calls = Array.from({ length: 40 }, () => box.state.audit.append('query', {}).then(() => done++));
  assert.is(done, 0);
  await Promise.all(calls);
  assert.is(fileSystem.syncs - before, 1);
  assert.is((await verify(box)).lines, 41);
});

test('a changed, removed, added or moved line shows, and is named', async () => {
  const { box, fileSystem } = await withLines(12);
  await box.state.close();
  const original = readText(fileSystem, path);
  const lines = original.trimEnd().split('\n');
  const swapped = lines.with(4, lines[5]!).with(5, lines[4]!);
  const cases: [string, string[], number | undefined][] = [
    ['changed', lines.with(4, lines[4]!.replace('"number":4', '"number":5')), 5],
    ['a byte more', lines.with(4, `${lines[4]} `), 5],
    ['removed', lines.toSpliced(4, 1), 5],
    ['first removed', lines.slice(1), 1],
    ['added', lines.toSpliced(4, 0, lines[2]!), 5],
    ['moved', swapped, 5],
    ['last changed', lines.with(11, lines[11]!.replace('"number":11', '"number":12')), 12],
    ['last removed', lines.slice(0, -1), undefined],
    ['many removed at the end', lines.slice(0, 3), undefined],
    ['all removed', [], undefined],
  ];
  for (const [name, changed, line] of cases) {
    writeText(fileSystem, path, changed.map((each) => `${each}\n`).join(''));
    const verdict = await verifyStopped(fileSystem);
    assert.not.ok(verdict.sound, name);
    assert.is(verdict.bad?.line, line, `${name}: ${verdict.bad?.why}`);
    assert.is(verdict.bad?.file, 'audit.log', name);
  }
  fileSystem.remove(path);
  assert.not.ok((await verifyStopped(fileSystem)).sound, 'file removed');
  writeText(fileSystem, path, original);
  assert.ok((await verifyStopped(fileSystem)).sound);
});

test('without its kept head a log is not sound', async () => {
  const { box, fileSystem } = await withLines(5);
  await box.state.close();
  fileSystem.remove('/data/store/authorization');
  assert.match((await verifyStopped(fileSystem)).bad?.why ?? '', /missing/);
  const next = await openBox({ fileSystem });
  assert.ok(next.alarms.active.has('audit-broken'));
  await next.state.close();
});

test('a chain made anew without the secret of the box shows', async () => {
  const { box, fileSystem } = await withLines(5);
  await box.state.close();
  const forger = await withLines(5);
  await forger.box.state.close();
  writeText(fileSystem, path, readText(forger.fileSystem, path));
  const verdict = await verifyStopped(fileSystem);
  assert.equal([verdict.sound, verdict.bad?.line], [false, 1]);
});

test('a log that was cut is an alarm at the next start, noted, and stays visible', async () => {
  const { box, fileSystem } = await withLines(8);
  await box.state.close();
  writeText(fileSystem, path, `${readText(fileSystem, path).split('\n').slice(0, 3).join('\n')}\n`);
  const next = await openBox({ fileSystem });
  assert.ok(next.alarms.active.has('audit-broken'));
  await next.state.audit.append('answer', {});
  const verdict = await verify(next);
  assert.equal([verdict.sound, verdict.bad?.line], [false, 4]);
  const [noted] = await showAudit(next.state.auditSource, { limit: 2 });
  assert.equal([noted?.event, noted?.seq], ['broken', 9]);
  await next.state.close();
  assert.not.ok((await verifyStopped(fileSystem)).sound);
});

test('a kept head that was edited shows', async () => {
  const { box, fileSystem } = await withLines(8);
  await box.state.close();
  const journal = '/data/store/authorization';
  const { crc32 } = await import('node:zlib');
  const edited = readText(fileSystem, journal).replace(
    /^[0-9a-f]{8} (\d+ \d+ \[\["audit-head",\{"seq":)8(.*)$/m,
    (_, start: string, end: string) => {
      const rest = `${start}3${end}`;
      return `${crc32(rest).toString(16).padStart(8, '0')} ${rest}`;
    },
  );
  writeText(fileSystem, journal, edited);
  assert.match((await verifyStopped(fileSystem)).bad?.why ?? '', /not sealed by this box/);
  const next = await openBox({ fileSystem });
  assert.ok(next.alarms.active.has('audit-broken'));
  await next.state.close();
});

test('a torn last write after a power cut is no tampering: it is cut, and noted', async () => {
  const { box, fileSystem } = await withLines(5);
  await box.state.close();
  const whole = readText(fileSystem, path);
  const kept = readText(fileSystem, '/data/store/authorization');
  const more = await openBox({ fileSystem, clock: box.clock });
  await Promise.all([1, 2, 3].map((number) => more.state.audit.append('query', { number })));
  const longer = readText(fileSystem, path);
  let disk = fileSystem;
  for (let length = whole.length; length < longer.length; length += 7) {
    const hole = `${longer.slice(0, length)}\0\0\0${longer.slice(length + 3)}`;
    for (const torn of [longer.slice(0, length), hole]) {
      disk = disk.afterKill();
      writeText(disk, path, torn);
      writeText(disk, '/data/store/authorization', kept);
      assert.ok((await verifyStopped(disk)).sound, `stopped, cut at ${length}`);
      const next = await openBox({ fileSystem: disk });
      assert.is(next.alarms.active.size, 0);
      await next.state.audit.append('answer', {});
      const verdict = await verify(next);
      assert.ok(verdict.sound && verdict.tornBytes === 0, `cut at ${length}: ${verdict.bad?.why}`);
      const shown = await showAudit(next.state.auditSource, { limit: 100 });
      assert.is(shown.at(-1)?.event, 'answer');
      assert.is(shown.filter(({ event }) => event === 'torn').length, length === whole.length && torn !== hole ? 0 : 1);
    }
  }
});

test('full files get a number, the oldest go, and that is noted', async () => {
  const { box, fileSystem } = await withLines(120, smallFiles);
  const names = fileSystem.list(folder);
  assert.is(names.length, 3, names.join());
  assert.is(names[0], 'audit.log');
  const verdict = await verify(box);
  assert.ok(verdict.sound, verdict.bad?.why);
  assert.is(verdict.files, 3);
  const shown = await showAudit(box.state.auditSource, { limit: 10_000 });
  const removed = shown.filter(({ event }) => event === 'file-removed');
  assert.ok(removed.length > 0);
  assert.is((shown[0]!.seq as number) - 1, removed.at(-1)!.last);
  await box.state.close();
  assert.ok((await verifyStopped(fileSystem, smallFiles)).sound);

  const [, oldest, middle] = names as [string, string, string];
  const oldestText = readText(fileSystem, `${folder}/${oldest}`);
  fileSystem.remove(`${folder}/${oldest}`);
  const first = await verifyStopped(fileSystem, smallFiles);
  assert.equal([first.sound, first.bad?.file, first.bad?.line], [false, middle, 1]);
  writeText(fileSystem, `${folder}/${oldest}`, oldestText);
  fileSystem.remove(`${folder}/${middle}`);
  const second = await verifyStopped(fileSystem, smallFiles);
  assert.equal([second.sound, second.bad?.file, second.bad?.line], [false, 'audit.log', 1]);
});

test('a disk that takes nothing rejects the call, and the chain goes on behind what was stored', async () => {
  const { box, fileSystem } = await withLines(3);
  for (const [kind, code] of [
    ['write', 'ENOSPC'],
    ['sync', 'EIO'],
    ['synced', 'EIO'],
  ] as const) {
    fileSystem.plan = (call) => (call === kind ? code : undefined);
    const error = await box.state.audit.append('lost', { text: 'x'.repeat(250) }).catch((caught: unknown) => caught);
    assert.is((error as { code?: string }).code, 'audit-write-failed');
    fileSystem.plan = () => undefined;
    await box.state.audit.append('kept', {});
    const verdict = await verify(box);
    assert.ok(verdict.sound, verdict.bad?.why);
  }
  const shown = await showAudit(box.state.auditSource, { limit: 100 });
  assert.equal(
    shown.map(({ event }) => event),
    ['query', 'query', 'query', 'kept', 'kept', 'kept'],
  );
});

test('a line whose call was rejected is not found after a kill', async () => {
  const { box, fileSystem } = await withLines(3);
  let failures = 1;
  fileSystem.plan = (call) => (call === 'synced' && failures-- > 0 ? 'EIO' : undefined);
  assert.ok(
    await box.state.audit.append('lost', {}).then(
      () => false,
      () => true,
    ),
  );
  const next = await openBox({ fileSystem: fileSystem.afterKill() });
  const shown = await showAudit(next.state.auditSource, { limit: 100 });
  assert.not.ok(shown.some(({ event }) => event === 'lost'));
  assert.is(next.alarms.active.size, 0);
});

test('kills, power cuts and failures anywhere: what was answered is there, and the log is sound', async () => {
  const first = Number(process.env.HOLDFAST_AUDIT_SEED ?? 1);
  const count = Number(process.env.HOLDFAST_AUDIT_HISTORIES ?? 150);
  let ends = 0;
  for (let seed = first; seed < first + count; seed++) {
    const random = new Random(seed);
    let fileSystem = await newDisk({ seed });
    const stored = new Set<number>();
    let number = 0;
    try {
      for (let life = random.between(2, 6); life > 0; life--) {
        const box = new TestBox({ fileSystem, ...smallFiles });
        fileSystem.dieAt = fileSystem.calls + random.between(1, 120);
        try {
          await box.state.open();
          for (let step = random.between(1, 25); step > 0; step--) {
            if (random.chance(0.15)) {
              let left = random.below(6);
              fileSystem.plan = () => (left-- === 0 ? random.pick(['EIO', 'ENOSPC'] as const) : undefined);
            }
            const group = Array.from({ length: random.between(1, 4) }, async () => {
              const mine = number++;
              await box.state.audit.append('answer', { number: mine, text: 'x'.repeat(random.below(200)) });
              stored.add(mine);
            });
            await Promise.allSettled(group);
            fileSystem.plan = () => undefined;
            if (random.chance(0.2)) await box.clock.advanceGently(1500);
          }
          if (random.chance(0.3)) await box.state.close();
        } catch (error) {
          if (!fileSystem.isDead) throw error;
        }
        ends++;
        fileSystem = random.chance(0.5) ? fileSystem.afterKill() : fileSystem.afterPowerCut();
        const stopped = await verifyStopped(fileSystem, smallFiles);
        assert.ok(stopped.sound, `stopped: ${JSON.stringify(stopped.bad)}`);
      }
      const box = await openBox({ fileSystem, ...smallFiles });
      assert.not.ok(box.alarms.active.has('audit-broken'));
      const verdict = await verify(box);
      assert.ok(verdict.sound, JSON.stringify(verdict.bad));
      const shown = await showAudit(box.state.auditSource, { limit: 10_000 });
      const present = new Set(shown.map((record) => record.number));
      const oldest = Math.min(...shown.flatMap((record) => (typeof record.number === 'number' ? [record.number] : [])));
      for (const each of stored) assert.ok(present.has(each) || each < oldest + 8, `${each} is missing`);
    } catch (error) {
      throw new Error(`HOLDFAST_AUDIT_SEED=${seed}: ${(error as Error).message}`, { cause: error });
    }
  }
  console.log(`${count} histories from seed ${first}, ${ends} ends`);
});

test.run();
