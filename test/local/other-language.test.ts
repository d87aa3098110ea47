/** The protocol page is enough for a client in another language: Python with nothing but sockets. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LocalSite, processReport } from './support.ts';

const test = suite('local door, another language');
const site = new LocalSite();
test.before(() => site.start());
test.after(() => site.stop());

interface Answer {
  readonly id: string;
  readonly kind: string;
  readonly body: Record<string, unknown>;
}

function python(where: string, password: string, reports: readonly object[]): Promise<Answer[]> {
  const script = join(import.meta.dirname, 'other-language.py');
  return new Promise((resolve, reject) => {
    const child = execFile('python3', [script, where, 'all', password], (error, stdout, stderr) => {
      if (error !== null) reject(new Error(stderr, { cause: error }));
      else
        resolve(
          stdout
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line) as Answer),
        );
    });
    child.stdin!.end(reports.map((report) => `${JSON.stringify(report)}\n`).join(''));
  });
}

for (const door of ['tcp', 'unix'] as const) {
  test(`reports over ${door} are heard of until they are in the database`, async () => {
    const where = door === 'tcp' ? `tcp:${site.mqttPort}` : `unix:${site.socket}`;
    const serial = `SN-${door}`;
    const reports = Array.from({ length: 100 }, (_, index) => ({
      id: `${door}-${index}`,
      ...processReport(serial, { 设备状态: '开始打印', 附加: '重庆' }),
    }));
    const wrong = { id: `${door}-wrong`, channel: 'device_process_info', body: { 序列号: serial } };
    const answers = await python(where, 'secret', [...reports, wrong]);
    for (const { id } of reports) {
      const kinds = answers.filter((answer) => answer.id === id).map(({ kind }) => kind);
      assert.equal(kinds, ['stored', 'delivered'], id);
    }
    assert.is(answers.find(({ id }) => id === wrong.id)?.body.code, 'malformed');
    const name = { database: 'device_info', collection: 'device_process' };
    const documents = await site.central.store.find(name, { filter: { 序列号: serial } });
    assert.is(documents.length, reports.length);
    assert.is(documents[0]!.附加, '重庆');
  });
}

test('a wrong password is told', async () => {
  let said = '';
  await python(`unix:${site.socket}`, 'wrong', []).catch((error: Error) => {
    said = error.message;
  });
  assert.match(said, /refused the login: 4/);
});

test.run();
