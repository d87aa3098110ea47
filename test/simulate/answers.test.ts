/** How a machine takes what it is answered, at a door that the test holds in its hand. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ReplyWriter } from '../../src/protocols/machines/index.ts';
import type { Door } from '../../src/simulate/door.ts';
import { createFigures } from '../../src/simulate/figures.ts';
import { Outbox } from '../../src/simulate/outbox.ts';
import type { Report } from '../../src/simulate/report-writer.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';

const test = suite('the answers to a machine');
const replies = new ReplyWriter();
const time = '2024-03-18 15:30:45';
const table = '设备流程信息';

const report = (number: number, state = '预热完成'): Report => ({
  channel: 'device_process_info',
  body: Buffer.from(`body ${number}`),
  serial: 'sim-0001',
  table,
  state,
});

const reply = ({ serial = 'sim-0001', state = '预热完成', malformed = false, otherTable = table } = {}) =>
  replies.report({
    channel: { kind: 'process', table: otherTable },
    serial,
    state,
    text: malformed ? 'malformed' : undefined,
    time,
  });

function machine(inflight = 1) {
  const clock = new ManualClock();
  const figures = createFigures();
  const wrong: string[] = [];
  const sent: string[] = [];
  const acknowledgements: PromiseWithResolvers<Buffer | undefined>[] = [];
  const door: Door = {
    open() {},
    ready: async () => {},
    send: (_channel, body) => {
      sent.push(body.toString());
      const acknowledgement = Promise.withResolvers<Buffer | undefined>();
      acknowledgements.push(acknowledgement);
      return acknowledgement.promise;
    },
    close: async () => {},
    isConnected: true,
    keepsReplies: false,
  };
  const outbox = new Outbox({
    door,
    figures,
    clock,
    inflight,
    replyTimeoutMs: 3000,
    onWrong: (sentence) => wrong.push(sentence),
  });
  return { clock, figures, wrong, sent, acknowledgements, outbox };
}

test('a report is settled by acknowledgement and reply, in either order', async () => {
  const { figures, acknowledgements, outbox, wrong } = machine();
  for (const [number, replyFirst] of [true, false].entries()) {
    outbox.send(report(number));
    await settle();
    if (replyFirst) outbox.onReply(reply());
    acknowledgements[number]!.resolve(undefined);
    await settle();
    if (!replyFirst) outbox.onReply(reply());
    await settle();
    assert.is(outbox.underWay, 0);
  }
  assert.equal([figures.sent, figures.acknowledged, figures.replied, figures.repeated], [2, 2, 2, 0]);
  assert.equal(wrong, []);
});

test('without an answer the same bytes are sent three times more, and then it is wrong', async () => {
  const { clock, figures, sent, outbox, wrong } = machine();
  outbox.send(report(1));
  for (let seconds = 0; seconds < 20; seconds++) {
    await settle();
    clock.advance(1000);
  }
  await settle();
  assert.equal(sent, Array(4).fill('body 1'));
  assert.equal([figures.sent, figures.repeated, figures.replied, figures.wrong], [1, 3, 0, 1]);
  assert.match(wrong[0]!, /sim-0001 device_process_info 预热完成: no answer to 4 sends/);
});

test('an acknowledgement alone is no answer', async () => {
  const { clock, figures, acknowledgements, outbox } = machine();
  outbox.send(report(1));
  await settle();
  acknowledgements[0]!.resolve(undefined);
  await settle();
  clock.advance(3001);
  await settle();
  assert.equal([figures.acknowledged, figures.replied, figures.repeated], [1, 0, 1]);
});

test('a lost connection is no try: it is sent again as often as need be', async () => {
  const { figures, sent, acknowledgements, outbox } = machine();
  outbox.send(report(1));
  await settle();
  for (let loss = 0; loss < 10; loss++) {
    acknowledgements.at(-1)!.reject(new Error('lost'));
    await settle();
  }
  outbox.onReply(reply());
  acknowledgements.at(-1)!.resolve(undefined);
  await settle();
  assert.equal(sent, Array(11).fill('body 1'));
  assert.equal([figures.acknowledged, figures.replied, figures.repeated, figures.wrong], [1, 1, 10, 0]);
});

test('every wrong reply is wrong', async () => {
  const mistakes: [Buffer, RegExp][] = [
    [reply({ malformed: true }), /refused: 报文格式错误/],
    [reply({ serial: 'sim-0002' }), /for another machine/],
    [reply({ otherTable: '设备异常' }), /with another table/],
    [Buffer.from('{}'), /a reply to nothing/],
    [reply({ state: '开机' }), /a reply to nothing/],
  ];
  for (const [payload, expected] of mistakes) {
    const { figures, acknowledgements, outbox, wrong } = machine();
    outbox.send(report(1));
    await settle();
    acknowledgements[0]!.resolve(undefined);
    outbox.onReply(payload);
    await settle();
    assert.is(figures.replied, 0);
    assert.match(wrong.join(), expected);
  }
  const { figures, outbox } = machine();
  outbox.onReply(reply());
  assert.is(figures.wrong, 1);
});

test('the reply to an earlier copy is late, and is not taken for the answer to the next report', async () => {
  const { clock, figures, sent, acknowledgements, outbox } = machine();
  outbox.send(report(1));
  await settle();
  clock.advance(3001);
  await settle();
  acknowledgements[1]!.resolve(undefined);
  outbox.onReply(reply());
  await settle();
  outbox.send(report(2));
  await settle();
  outbox.onReply(reply());
  assert.equal([figures.replied, figures.late, figures.wrong], [1, 1, 0]);
  assert.equal(sent, ['body 1', 'body 1']);
  clock.advance(3001);
  await settle();
  assert.equal(sent, ['body 1', 'body 1', 'body 2']);
});

test('there is room for as many as are allowed, and none after the end', async () => {
  const { figures, acknowledgements, outbox } = machine(2);
  outbox.send(report(1));
  outbox.send(report(2));
  let hasRoom: boolean | undefined;
  const room = outbox.room().then((answer) => {
    hasRoom = answer;
  });
  await settle();
  assert.is(hasRoom, undefined);
  acknowledgements[0]!.resolve(reply());
  await settle();
  assert.is(hasRoom, true);
  await room;
  outbox.stop();
  await settle();
  assert.is(await outbox.room(), false);
  assert.equal([figures.replied, figures.unanswered, outbox.underWay], [1, 1, 0]);
});

test.run();
