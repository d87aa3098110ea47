/** What becomes of the queries of machines before there is an answer: joined, kept apart, held back, refused. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ReplyWriter, replaceTexts } from '../../src/protocols/machines/index.ts';
import { settle } from '../support/manual-clock.ts';
import { authorizationBench, identity, queryOf } from './bench.ts';

const test = suite('authorizer: queries');
const elsewhere = { ...identity, address: '重庆市北碚区1号' };

test('queries of one machine join the one under way; those on its topic share one answer', async () => {
  const bench = await authorizationBench();
  await bench.connect();
  const first = bench.ask();
  await bench.clock.advanceGently(1000);
  const second = bench.ask();
  const third = bench.ask(queryOf(), 'http');
  await settle();
  assert.is(bench.transport.asked.length, 1);
  bench.answer(bench.transport.asked[0]!, bench.grantOf(bench.transport.asked[0]!));
  await settle(20);
  assert.is(first.answer?.granted, true);
  assert.equal(second, { answer: undefined, isDone: true });
  assert.is(third.answer?.granted, true);
  assert.is(bench.events('query').length, 3);
});

test('hundreds of queries of one machine join the one under way, and are refused nothing', async () => {
  const bench = await authorizationBench();
  await bench.connect();
  const many = Array.from({ length: 200 }, () => bench.ask(queryOf(), 'http'));
  await settle();
  const [query, ...others] = bench.transport.asked;
  assert.is(others.length, 0);
  bench.answer(query!, bench.grantOf(query!));
  await settle(20);
  assert.is(many.filter(({ answer }) => answer?.granted).length, 200);
});

test('the audit log and the centre are told the words that the machine was told', async () => {
  const texts = replaceTexts('{"no-answer":{"zh":"中心没有回答"}}', 'texts.json');
  const bench = await authorizationBench({ options: { replies: new ReplyWriter({ texts }) } });
  const told = bench.ask();
  await bench.clock.advanceGently(42_000);
  await settle(20);
  assert.is(told.answer?.error, '中心没有回答');
  assert.is(bench.events('answer')[0]?.fields.error, '中心没有回答');
  assert.is(bench.forwarded.at(-1)?.错误, '中心没有回答');
});

test('a query about another identity is asked for itself, and gets no other’s answer', async () => {
  const bench = await authorizationBench();
  await bench.connect();
  const one = bench.ask();
  const other = bench.ask(queryOf(elsewhere), 'http');
  await settle();
  assert.is(bench.transport.asked.length, 2);
  const [first, second] = bench.transport.asked;
  // The centre’s words about the first, sent as if they were about the second: the signature tells.
  bench.answer(second!, bench.grantOf(first!));
  await settle(20);
  assert.is(other.answer, undefined);
  assert.is(bench.counters.authorizationIgnored.get('signature'), 1);
  bench.answer(first!, bench.grantOf(first!));
  await settle(20);
  assert.is(one.answer?.granted, true);
  assert.is(other.answer, undefined);
  const third = bench.ask(queryOf({ ...identity, customer: '另一个' }), 'http');
  await settle();
  assert.is(bench.transport.asked.length, 3);
  const fourth = bench.ask(queryOf({ ...identity, customer: '第三个' }), 'http');
  await settle();
  assert.is(fourth.answer?.error, '授权服务不可用');
  assert.is(third.answer, undefined);
  assert.is(bench.counters.authorizationRefused.get('identities'), 1);
});

test('base information goes first; until it is there 设备信息不一致 denies nothing', async () => {
  const bench = await authorizationBench();
  bench.world.baseIsWaiting = true;
  await bench.connect();
  const told = bench.ask();
  await settle();
  await bench.clock.advanceGently(500);
  assert.is(bench.transport.asked.length, 0);
  bench.world.baseIsWaiting = false;
  await bench.clock.advanceGently(100);
  assert.is(bench.transport.asked.length, 1, 'as soon as it is receipted');
  const [query] = bench.transport.asked;
  bench.answer(query!, bench.denialOf(query!, '设备信息不一致，授权不通过'));
  await settle(20);
  assert.equal(told.answer?.error, '设备信息不一致，授权不通过');
  assert.is(bench.leases.get(identity.serial)?.kind, 'denial', 'now it is one');
});

test('a mismatch while base information waits is asked once more when the centre has it', async () => {
  const bench = await authorizationBench();
  bench.world.baseIsWaiting = true;
  await bench.connect();
  const told = bench.ask();
  await settle();
  await bench.clock.advanceGently(1100);
  const [query] = bench.transport.asked;
  bench.answer(query!, bench.denialOf(query!, 'x', 'identity-mismatch'));
  await bench.clock.advanceGently(500);
  bench.world.baseIsWaiting = false;
  await bench.clock.advanceGently(100);
  const second = bench.transport.asked[1]!;
  bench.answer(second, bench.grantOf(second));
  await settle(20);
  assert.is(told.answer?.granted, true);
  assert.is(bench.leases.get(identity.serial)?.kind, 'lease');
});

test('too many queries of one machine are refused, and those of others answered', async () => {
  const bench = await authorizationBench({ options: { limits: { perMachine: 10, burstPerMachine: 10 } } });
  await bench.putLease();
  const many = Array.from({ length: 15 }, () => bench.ask(queryOf(), 'http'));
  await settle(30);
  assert.is(many.filter(({ answer }) => answer?.granted).length, 10);
  assert.is(many.filter(({ answer }) => answer?.error === '授权服务不可用').length, 5);
  assert.is(bench.counters.authorizationRefused.get('machine-rate'), 5);
  const other = bench.ask(queryOf({ ...identity, serial: 'sn000002' }));
  await bench.clock.advanceGently(42_000);
  await settle(20);
  assert.is(other.answer?.error, '授权服务器无响应');
  assert.is(bench.clock.timers, 1, 'only that of the lease clock');
});

test('stopping answers all that wait', async () => {
  const bench = await authorizationBench();
  const told = bench.ask();
  await settle();
  await bench.authorizer.stop();
  await settle();
  assert.is(told.answer?.error, '授权服务不可用');
  assert.is(bench.authorizer.state.open, 0);
});

test.run();
