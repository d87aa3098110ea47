/** Many queries, large answers, and clients that leave or do not read: bounded for each account and for all. */

import { request } from 'node:http';
import { connect } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../src/platform/index.ts';
import { Gate } from '../../src/protocols/machines/queries/gate.ts';
import { defaultQueryLimits } from '../../src/protocols/machines/queries/index.ts';
import type { DocumentStore } from '../../src/store/index.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { pause, until } from '../support/until.ts';
import { guarded } from './guarded.ts';
import { ask, encoded, process, processCollection, startMs, storeReports } from './support.ts';

const test = suite('HTTP queries: load');
const start = guarded(test);

test('queries of one account are limited in rate and in number at once', async () => {
  const clock = new ManualClock(startMs);
  const server = await start({ clock, limits: { ratePerSecond: 5 } });
  const token = await server.logIn('me');
  const answers: number[] = [];
  for (let index = 0; index < 8; index++)
    answers.push((await ask(server.port, '/deviceInfo/base/sn', { token, sn: 'sn1' })).status);
  assert.equal(answers, [200, 200, 200, 200, 200, 429, 429, 429]);
  clock.advance(1000);
  assert.is((await ask(server.port, '/deviceInfo/base/sn', { token, sn: 'sn1' })).status, 200);
});

test('clients that leave in mid-answer pile up nothing at the store', async () => {
  let finds = 0;
  let atOnce = 0;
  let most = 0;
  const held: (() => void)[] = [];
  let isHeld = false;
  const slow = (store: DocumentStore) =>
    new Proxy(store, {
      get(target, name) {
        const value = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        if (name !== 'find') return value.bind(target);
        return async (...words: [{ collection: string }]) => {
          if (isHeld && words[0].collection === 'device_process') {
            finds++;
            most = Math.max(most, ++atOnce);
            await new Promise<void>((resolve) => held.push(resolve));
            atOnce--;
          }
          return value.apply(target, words);
        };
      },
    });
  const server = await start({ limits: { perAccount: 4 } }, slow);
  const token = await server.logIn('me');
  isHeld = true;
  for (let index = 0; index < 40; index++) {
    const query = encoded({ token, sn: 'sn1', limit: 1000 });
    const leaving = request({ host: '127.0.0.1', port: server.port, path: `/deviceInfo/process/sn/?${query}` });
    leaving.on('error', () => {});
    leaving.end();
    await pause(5);
    // The first four are to reach the store, however long that takes.
    if (index < 4) await until(() => finds === index + 1);
    leaving.destroy();
  }
  await pause(100);
  assert.is(most, 4);
  assert.is(finds, 4);
  isHeld = false;
  for (const release of held.splice(0)) release();
  await until(
    async () => (await ask(server.port, '/deviceInfo/process/sn', { token, sn: 'sn1' })).body.信息.length === 1,
    'there are places again',
  );
  assert.is(finds, 4);
});

test('a client that does not read its answer keeps its place, and is cut off', async () => {
  const server = await start({ limits: { perAccount: 1, stalledMs: 1000 } });
  const token = await server.logIn('me');
  const reports = Array.from({ length: 40 }, (_, index) => process('sn1', 10 + index, { 备注: 'x'.repeat(400_000) }));
  await storeReports(server.store, processCollection, reports);
  const socket = connect({ port: server.port, host: '127.0.0.1' });
  socket.on('error', () => {});
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(`GET /deviceInfo/process/sn/?${encoded({ token, sn: 'sn1', limit: 1000 })} HTTP/1.1\r\nHost: x\r\n\r\n`);
  // Its first bytes and no more: what the kernel does not take stays in the memory of the server.
  await new Promise((resolve) => socket.once('readable', resolve));
  const other = () => ask(server.port, '/deviceInfo/base/sn', { token, sn: 'sn1' });
  assert.is((await other()).status, 429);
  await until(async () => (await other()).status === 200, 'it is cut off', 10_000);
  socket.resume();
  await closed;
  assert.ok(socket.bytesRead < 15_000_000, `${socket.bytesRead} bytes were sent`);
});

test('answers to pipelined queries give their places back, read or not', async () => {
  const server = await start({ limits: { perAccount: 8 } });
  const token = await server.logIn('me');
  const query = `GET /deviceInfo/base/sn/?${encoded({ token, sn: 'sn1' })} HTTP/1.1\r\nHost: x\r\n\r\n`;
  for (let round = 0; round < 5; round++) {
    const socket = connect({ port: server.port, host: '127.0.0.1' });
    socket.on('error', () => {});
    await new Promise<void>((resolve) => socket.write(query.repeat(8), () => resolve()));
    if (round % 2 === 0) await new Promise((resolve) => socket.once('data', resolve));
    socket.destroy();
    await pause(50);
  }
  let statuses = '';
  await until(
    async () => {
      const asked = Array.from({ length: 8 }, () => ask(server.port, '/deviceInfo/base/sn', { token, sn: 'sn1' }));
      statuses = (await Promise.all(asked)).map(({ status }) => status).join(' ');
      return statuses === Array(8).fill('200').join(' ');
    },
    () => `all places are given back: ${statuses}`,
    // Before stalled answers would be cut off anyway.
    15_000,
  );
});

test('one account has one large answer under way at a time, and all of them so many', async () => {
  const gate = new Gate(systemClock(), { ...defaultQueryLimits, largeInAll: 2 });
  const begun: string[] = [];
  const grow = (name: string) => {
    const place = gate.enter(name[0]!)!;
    void place.grow().then(() => begun.push(name));
    return place;
  };
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
  const [a1, a2, b1] = [grow('a1'), grow('a2'), grow('b1'), grow('c1')];
  await turn();
  assert.equal(begun, ['a1', 'b1']);
  a1.leave();
  a1.leave();
  await turn();
  assert.equal(begun, ['a1', 'b1', 'a2']);
  // Who gives up while waiting or growing holds nothing back.
  a2.leave();
  b1.leave();
  await turn();
  assert.equal(begun, ['a1', 'b1', 'a2', 'c1']);
});

test.run();
