/** What every kind of serial port does; run against a pseudo terminal, TCP and the simulated one. */

import { SerialError, type SerialPort } from '@holdfast/hardware/serial';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../../support/until.ts';

/** A port and the device at its other end. */
export interface Subject {
  /** A new port for the same device. */
  make(): SerialPort;
  deviceSends(bytes: Buffer): void;
  deviceReceived(): Buffer;
  unplug(): Promise<void>;
  plug(): Promise<void>;
  remove(): Promise<void>;
}

export function contract(name: string, create: () => Promise<Subject>): void {
  const test = suite<{ subject: Subject; ports: SerialPort[] }>(`serial port: ${name}`);

  test.before.each(async (context) => {
    context.subject = await create();
    context.ports = [];
  });
  test.after.each(async ({ subject, ports }) => {
    for (const port of ports) await port.close();
    await subject.remove();
  });

  const open = async ({ subject, ports }: { subject: Subject; ports: SerialPort[] }) => {
    const port = subject.make();
    ports.push(port);
    const seen = { bytes: Buffer.alloc(0), lost: [] as SerialError[] };
    await port.open({
      data: (bytes) => {
        seen.bytes = Buffer.concat([seen.bytes, bytes]);
      },
      lost: (error) => seen.lost.push(error),
    });
    return { port, seen };
  };

  test('every byte value in both directions, in order', async (context) => {
    const { port, seen } = await open(context);
    const all = Buffer.from(Array.from({ length: 1024 }, (_, index) => index % 256));
    context.subject.deviceSends(all);
    await until(() => seen.bytes.length >= all.length);
    assert.ok(seen.bytes.equals(all));
    await port.write(all.subarray(0, 300));
    await port.write(all.subarray(300));
    await port.drain();
    await until(() => context.subject.deviceReceived().length >= all.length);
    assert.ok(context.subject.deviceReceived().equals(all));
  });

  test('a paused port gives nothing, and everything after', async (context) => {
    const { port, seen } = await open(context);
    port.pause();
    port.pause();
    context.subject.deviceSends(Buffer.from('later'));
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.is(seen.bytes.length, 0);
    port.resume();
    await until(() => seen.bytes.toString() === 'later');
  });

  test('more than any buffer holds, to a reader that stops again and again', async (context) => {
    const { port, seen } = await open(context);
    const all = Buffer.alloc(200_000, 'abcdefghij');
    context.subject.deviceSends(all);
    while (seen.bytes.length < all.length) {
      port.pause();
      await new Promise((resolve) => setImmediate(resolve));
      port.resume();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    assert.ok(seen.bytes.equals(all));
  });

  test('unplugged: told once, writes fail, and a new port opens when it is back', async (context) => {
    const { port, seen } = await open(context);
    await context.subject.unplug();
    await until(() => seen.lost.length > 0);
    assert.is(seen.lost[0]?.code, 'port-lost');
    const failure = await port.write(Buffer.from('x')).catch((error: unknown) => error);
    assert.ok(failure instanceof SerialError && ['port-lost', 'port-closed'].includes(failure.code));
    await port.close();
    await context.subject.plug();
    const again = await open(context);
    context.subject.deviceSends(Buffer.from('back'));
    await until(() => again.seen.bytes.toString() === 'back');
    assert.is(seen.lost.length, 1);
  });

  test('a device that is not there is `port-missing`', async (context) => {
    await context.subject.unplug();
    const failure = await open(context).catch((error: unknown) => error);
    assert.ok(failure instanceof SerialError);
    assert.is(failure.code, 'port-missing');
  });

  test('closing is no loss, may be repeated, and frees the device', async (context) => {
    const { port, seen } = await open(context);
    await Promise.all([port.close(), port.close()]);
    await port.close();
    assert.is(seen.lost.length, 0);
    const failure = await port.write(Buffer.from('x')).catch((error: unknown) => error);
    assert.ok(failure instanceof SerialError && failure.code === 'port-closed');
    const again = await open(context);
    await again.port.write(Buffer.from('again'));
    await until(() => context.subject.deviceReceived().toString().endsWith('again'));
  });

  test('closing one that was never opened does nothing', async ({ subject }) => subject.make().close());

  test.run();
}
