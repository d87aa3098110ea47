import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger } from '../../src/platform/index.ts';
import { LiveTexts, ReplyWriter, readReply } from '../../src/protocols/machines/index.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { ask, sqlite, startQueries } from './support.ts';

const test = suite('texts that change');

function live(content: string) {
  const path = temporaryFolder().file('texts.json');
  writeFileSync(path, content);
  const clock = new ManualClock();
  const problems: (string | undefined)[] = [];
  const texts = new LiveTexts({ path, clock, logger: silentLogger, onProblem: (problem) => problems.push(problem) });
  texts.start();
  return { path, clock, texts, problems };
}

test('another file changes the answers of queries and replies without a restart', async () => {
  const { path, clock, texts } = live('{"token-expired":{"zh":"一"},"malformed":{"zh":"甲"}}');
  const store = await sqlite.open();
  const server = await startQueries(store, { texts });
  const replies = new ReplyWriter({ texts, language: 'zh' });
  const told = async () => [
    (await ask(server.port, '/deviceInfo/base/sn/')).body.错误,
    readReply(replies.authorization({ serial: 'sn1', text: 'malformed', time: 't' }))?.error,
  ];
  assert.equal(await told(), ['一', '甲']);
  writeFileSync(`${path}.new`, '{"token-expired":{"zh":"二 2"},"malformed":{"zh":"乙 2"}}');
  renameSync(`${path}.new`, path);
  clock.advance(1000);
  assert.equal(await told(), ['二 2', '乙 2']);
  writeFileSync(path, '{"token-expired":{"zh":"三 in place"}}');
  clock.advance(1000);
  assert.equal(await told(), ['三 in place', '报文格式错误']);
  await server.http.stop();
  await store.stop();
});

test('a file with a mistake, or none, leaves the texts from before and is told once; a right one ends that', () => {
  const { path, clock, texts, problems } = live('{"malformed":{"zh":"甲"}}');
  for (const mistake of ['{', '{"nonsense":{"zh":"x"}}', '{"malformed":{"zh":1234}}']) {
    writeFileSync(path, mistake);
    clock.advance(1000);
    assert.is(texts.current.malformed.zh, '甲');
  }
  rmSync(path);
  clock.advance(3000);
  assert.is(texts.current.malformed.zh, '甲');
  assert.is(problems.length, 1);
  assert.match(problems[0]!, /not valid JSON/);
  writeFileSync(path, '{"malformed":{"zh":"新的"}}');
  clock.advance(1000);
  assert.is(texts.current.malformed.zh, '新的');
  assert.equal(problems.slice(1), [undefined]);
  texts.stop();
  assert.is(clock.timers, 0);
});

test('with a mistake at the start the built-in texts are used, and it is told; the right file ends that', () => {
  const { path, clock, texts, problems } = live('{"malformed":{"zh":"甲"},"nonsense":{}}');
  assert.is(texts.current.malformed.zh, '报文格式错误');
  assert.match(problems[0]!, /nonsense is not a text/);
  writeFileSync(path, '{"malformed":{"zh":"新的"}}');
  clock.advance(1000);
  assert.is(texts.current.malformed.zh, '新的');
  assert.equal(problems.slice(1), [undefined]);
  texts.stop();
});

test.run();
