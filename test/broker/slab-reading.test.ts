import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readThroughSlabs } from '../../src/broker/slab-reading.ts';
import { until } from '../support/until.ts';

/** A connection that is read through slabs, and its other end. */
async function pair(): Promise<{ near: Socket; far: Socket; end: () => Promise<void> }> {
  const server = createServer({ pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const far = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [accepted] = (await once(server, 'connection')) as [Socket];
  const near = readThroughSlabs(accepted);
  const end = async () => {
    far.destroy();
    near.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { near, far, end };
}

test('a piece that is kept is not written over by later reads, and nothing is lost or out of order', async () => {
  const { near, far, end } = await pair();
  const pieces: Buffer[] = [];
  near.on('data', (piece: Buffer) => pieces.push(piece));
  const sent: Buffer[] = [];
  for (let index = 0; index < 300; index++) {
    const part = Buffer.alloc(index < 20 ? 100 : 1 + ((index * 7919) % 9000), index % 251);
    sent.push(part);
    // The first ones come alone.
    if (index < 20) await until(() => pieces.length === index, 'the piece before');
    if (!far.write(part)) await once(far, 'drain');
  }
  const whole = Buffer.concat(sent);
  await until(() => pieces.reduce((bytes, { length }) => bytes + length, 0) === whole.length, 'all bytes');
  assert.ok(Buffer.concat(pieces).equals(whole));
  assert.is(new Set(pieces.slice(0, 19).map(({ buffer }) => buffer)).size, 1, 'short pieces share a slab');
  await end();
});

test('a paused connection is not read, and goes on where it was', async () => {
  const { near, far, end } = await pair();
  let bytes = 0;
  near.on('data', (piece: Buffer) => {
    bytes += piece.length;
    near.pause();
  });
  far.write('first');
  await until(() => bytes === 5, 'the first piece');
  far.write(Buffer.alloc(8 * 2 ** 20));
  await until(() => far.writableLength > 0, 'a full connection');
  assert.is(bytes, 5);
  near.removeAllListeners('data');
  near.on('data', (piece: Buffer) => {
    bytes += piece.length;
  });
  near.resume();
  await until(() => bytes === 5 + 8 * 2 ** 20, 'the rest');
  await end();
});

test('the end of the other side is heard, writing works, and the addresses are known', async () => {
  const { near, far, end } = await pair();
  near.on('data', (piece: Buffer) => near.write(piece));
  far.write('echo');
  const [answer] = (await once(far, 'data')) as [Buffer];
  assert.is(answer.toString(), 'echo');
  assert.is(near.remoteAddress, '127.0.0.1');
  assert.is(near.remotePort, far.localPort);
  far.end();
  await once(near, 'end');
  await end();
});

test.run();
