/** A machine that asks whether it may print, with answers that the test makes. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ReplyWriter, validateAuthorizationQuery } from '../../src/protocols/machines/index.ts';
import type { Door } from '../../src/simulate/door.ts';
import { createFigures } from '../../src/simulate/figures.ts';
import { makeIdentity } from '../../src/simulate/identity.ts';
import { Permission } from '../../src/simulate/permission.ts';
import { seededRandom } from '../../src/simulate/random.ts';
import { ManualClock } from '../support/manual-clock.ts';

const test = suite('permission to print');
const time = '2026-11-21 10:00:00';
const granted = new ReplyWriter().authorization({ serial: 'sim-0001', text: undefined, time });
const denied = new ReplyWriter().authorization({ serial: 'sim-0001', text: 'not-authorized', time });
const settle = () => new Promise((resolve) => setTimeout(resolve));

function machine() {
  const clock = new ManualClock();
  const figures = createFigures();
  const sent: Buffer[] = [];
  const wrong: string[] = [];
  const door = {
    ready: () => Promise.resolve(),
    send: async (_channel: string, body: Buffer) => void sent.push(body),
  } as unknown as Door;
  const permission = new Permission({
    identity: makeIdentity('sim-0001', 1, seededRandom(1)),
    door,
    figures,
    clock,
    replyTimeoutMs: 3000,
    onWrong: (sentence) => wrong.push(sentence),
  });
  const stopping = new AbortController();
  let answer: boolean | undefined;
  const ask = () => {
    answer = undefined;
    permission.ask(stopping.signal).then((is) => {
      answer = is;
    });
  };
  return { clock, figures, sent, wrong, permission, ask, stopping, answer: () => answer };
}

test('the query is that of the seed, and its answer counts', async () => {
  const { figures, sent, permission, ask, answer } = machine();
  ask();
  await settle();
  assert.is(sent.length, 1);
  assert.ok(validateAuthorizationQuery(sent[0]!).ok);
  assert.is(JSON.parse(sent[0]!.toString()).查询授权, '1');
  permission.onReply(granted);
  await settle();
  assert.is(answer(), true);
  ask();
  await settle();
  permission.onReply(denied);
  await settle();
  assert.is(answer(), false);
  assert.equal([figures.asked, figures.granted, figures.denied, figures.unheard, figures.wrong], [2, 1, 1, 0, 0]);
});

test('silence is asked again after 3 s and 10 s, three times, and is no permission', async () => {
  const { clock, figures, sent, permission, ask, answer } = machine();
  ask();
  for (const expected of [1, 2, 3, 4]) {
    await settle();
    assert.is(sent.length, expected);
    clock.advance(3000);
    await settle();
    assert.is(sent.length, expected);
    if (expected < 4) clock.advance(10_000);
  }
  await settle();
  assert.is(answer(), false);
  assert.equal([figures.asked, figures.unheard], [1, 1]);
  // An answer in the pause counts; the next question is not answered by it.
  ask();
  await settle();
  clock.advance(5000);
  await settle();
  permission.onReply(granted);
  permission.onReply(granted);
  await settle();
  assert.is(answer(), true);
  assert.is(figures.granted, 1);
});

test('an answer for another machine, or of another shape, is wrong and grants nothing', async () => {
  const { figures, wrong, permission, ask, answer } = machine();
  ask();
  await settle();
  const other = new ReplyWriter().authorization({ serial: 'sim-0002', text: undefined, time });
  for (const body of [
    other,
    Buffer.from('{"序列号":"sim-0001","授权":"0","错误":"","报文时间":"x"}'),
    Buffer.from(''),
  ]) {
    permission.onReply(body);
  }
  await settle();
  assert.is(answer(), undefined);
  assert.equal([figures.wrong, wrong.length, figures.granted], [3, 3, 0]);
});

test('a machine that is switched off is not told', async () => {
  const { figures, ask, stopping, answer } = machine();
  ask();
  await settle();
  stopping.abort();
  await settle();
  assert.is(answer(), false);
  assert.equal([figures.granted, figures.denied, figures.unheard], [0, 0, 0]);
});

test.run();
