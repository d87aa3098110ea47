import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createBox } from '../support/site/box.ts';
import { temporaryFolder } from '../support/temporary.ts';

const test = suite('holdfast spool');
const fixture = (name: string) => readFileSync(join(import.meta.dirname, '../fixtures/machines', name));

interface Item {
  readonly sequence: number;
  readonly log: string;
  readonly channel: string;
  readonly serial: string;
  readonly body?: string;
}

test('status, list, show, verify and export say the same of a running and of a stopped box', async () => {
  const folder = temporaryFolder();
  const box = await createBox({ folder: folder.path, machines: ['sn000001'] });
  await box.start();
  const base = fixture('base.json');
  const error = fixture('error.json');
  assert.is((await box.post('device_base_info', base, 'sn000001')).status, 202);
  assert.is((await box.post('device_error_info', error, 'sn000001')).status, 202);
  assert.is((await box.post('device_error_info', '{"序列号":"sn000001"}', 'sn000001')).status, 400);

  const look = async () => {
    const totals = await box.totals();
    const list = await box.spool<Item>('list');
    const alarms = await box.spool<Item>('list', '--log', 'alarm');
    const refused = await box.spool<Item & { reason: string }>('list', '--log', 'refused');
    const shown = await box.spool<Item>('show', String(list.find(({ log }) => log === 'state')!.sequence));
    const exported = await box.spool<Item>('export');
    const verified = await box.spool<{ sound?: boolean }>('verify');
    assert.is(totals.accepted, totals.pending);
    assert.is(totals.counters['missing-key'], 1);
    assert.equal(list.map(({ log, channel }) => [log, channel]).toSorted(), [
      ['alarm', 'device_error_info'],
      ['state', 'device_base_info'],
    ]);
    assert.equal(
      alarms.map(({ log }) => log),
      ['alarm'],
    );
    assert.is(refused.length, 1);
    assert.match(refused[0]!.reason, /missing-key/);
    assert.equal(Buffer.from(shown[0]!.body!), base);
    assert.equal(exported.map(({ body }) => body).toSorted(), [base.toString(), error.toString()].toSorted());
    assert.is(verified.at(-1)!.sound, true);
    return { list, shown };
  };

  const running = await look();
  await box.stop();
  assert.equal(await look(), running);
  assert.equal(await box.spool('list', '--serial', 'nobody'), []);
  folder.remove();
});

test('a second gateway on the same folder is refused with the process id of the first', async () => {
  const folder = temporaryFolder();
  const first = await createBox({ folder: folder.path, machines: [] });
  await first.start();
  const second = await createBox({ folder: folder.path, name: 'second', dataFolder: first.dataFolder, machines: [] });
  second.program.begin();
  await second.ready(20_000).then(
    () => assert.unreachable('two gateways run on one folder'),
    (error: Error) => assert.match(error.message, new RegExp(`process ${first.program.pid}\\b`)),
  );
  await first.stop();
  await second.start();
  await second.stop();
  folder.remove();
});

test.run();
