/**
 * JSON lines over a pseudo terminal that is unplugged again and again, through `serial in` in the real Node-RED. Used by
 * serial-unplugged.test.ts (as fast as it goes) and serial-unplugged.long.ts (10,000 lines at 115,200 baud).
 *
 * Which lines must come out: what the kernel still holds when the far end goes away is gone for every reader, so a line
 * counts as complete when its last byte had been read by the driver before that; the driver counts the bytes of each
 * plugging in. Every complete line must come out once and in order, and nothing else may come out. Every second time all
 * that was written, at last the begin of a line, is read before the device is pulled out: then nothing but that line may
 * be missing. The other times it is pulled out while it sends.
 */

import * as assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { type SerialLine, serialLines } from '@holdfast/hardware/serial';
import { PtyDevice } from '../support/pty.ts';
import { Random } from '../support/random.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { until } from '../support/until.ts';
import {
  at,
  catchNode,
  firstDifference,
  inNode,
  loadFlow,
  payloads,
  portNode,
  runtime,
  sinkNode,
  unloadFlow,
} from './serial-flow.ts';

export interface UnplugOptions {
  readonly lines: number;
  readonly unpluggings: number;
  /** Bits a second, ten of them a byte; 0 = as fast as the pseudo terminal takes it. */
  readonly baud: number;
}

export async function unplugCampaign({ lines, unpluggings, baud }: UnplugOptions): Promise<void> {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const random = new Random(seed);
  const folder = temporaryFolder();
  const device = new PtyDevice(folder.file('usb-Maker_Printer_0042-if00'));
  const startedAt = performance.now();
  await runtime.start();
  try {
    await loadFlow([
      portNode('port', device.uri),
      inNode('in', 'port', 'lines', { payload: 'json' }),
      catchNode('errors'),
      ...['lines', 'errors'].map(sinkNode),
    ]);
    const line = serialLines.get(device.uri)!;
    const complete: number[] = [];
    let next = 0;
    let cut = 0;
    let swallowed = 0;
    const perPlugging = Math.ceil(lines / (unpluggings + 1));
    for (let plugging = 0; next < lines; plugging++) {
      const opened = line.counters.opened;
      const before = line.counters.bytesIn;
      await device.plug();
      await until(() => line.counters.opened > opened, `opened again, seed ${seed}`);
      const sender = new Sender(device, random, baud);
      const end = Math.min(lines, next + perPlugging);
      for (; next < end; next++) await sender.send(record(next, random));
      const last = next === lines;
      if (plugging % 2 === 0 || last) {
        await sender.flush();
        if (!last) {
          sender.cut(record(next++, random).slice(0, 1 + random.below(20)));
          cut++;
        }
        await readAll(line, before + sender.bytes, seed);
      } else {
        await readAll(line, before + random.below(sender.written), seed);
      }
      const lost = line.counters.lost;
      await device.unplug();
      await until(() => line.counters.lost > lost, `the loss is noticed, seed ${seed}`);
      const read = line.counters.bytesIn - before;
      for (const { number, end } of sender.sent) {
        if (end <= read) complete.push(number);
        else swallowed++;
      }
    }
    await until(() => at('lines').length >= complete.length, `${complete.length} lines, seed ${seed}`);
    await sleep(50);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    console.log(
      `serial: ${lines} lines, ${unpluggings} unpluggings in ${seconds} s; ${complete.length} complete and out once, ` +
        `${cut} cut on purpose, ${swallowed} under way when the device went`,
    );
    const out = payloads('lines').map((payload) => (payload as { n: number }).n);
    assert.equal(firstDifference(out, complete), undefined, `seed ${seed}`);
    assert.deepEqual(payloads('errors'), [], `seed ${seed}`);
    assert.equal(complete.length + cut + swallowed, lines, `seed ${seed}`);
    assert.ok(complete.length > lines / 2, `only ${complete.length} lines were complete, seed ${seed}`);
  } finally {
    await unloadFlow();
    await runtime.stop();
    await device.unplug();
    folder.remove();
  }
}

/** Writes in pieces that end anywhere, at the speed of the wire. */
class Sender {
  /** The lines sent and where each ends, in bytes since the plugging in. */
  readonly sent: { number: number; end: number }[] = [];
  bytes = 0;
  readonly #device: PtyDevice;
  readonly #random: Random;
  readonly #baud: number;
  readonly #startedAt = performance.now();
  #pending = '';

  constructor(device: PtyDevice, random: Random, baud: number) {
    this.#device = device;
    this.#random = random;
    this.#baud = baud;
  }

  async send(text: string): Promise<void> {
    this.bytes += text.length;
    this.sent.push({ number: (JSON.parse(text) as { n: number }).n, end: this.bytes });
    this.#pending += text;
    while (this.#pending.length > 250) {
      const length = 1 + this.#random.below(250);
      this.#device.send(this.#pending.slice(0, length));
      this.#pending = this.#pending.slice(length);
      await this.#pace();
    }
  }

  /** Bytes that the device was given; the others wait here. */
  get written(): number {
    return this.bytes - this.#pending.length;
  }

  /** The begin of a line that does not go on. */
  cut(text: string): void {
    this.bytes += text.length;
    this.#device.send(text);
  }

  async flush(): Promise<void> {
    this.#device.send(this.#pending);
    this.#pending = '';
    await this.#pace();
  }

  async #pace(): Promise<void> {
    await this.#device.drained();
    if (this.#baud === 0) return;
    const due = (this.written * 10_000) / this.#baud;
    const ahead = this.#startedAt + due - performance.now();
    if (ahead > 5) await sleep(ahead);
  }
}

async function readAll(line: SerialLine, bytes: number, seed: number): Promise<void> {
  await until(() => line.counters.bytesIn >= bytes, `all that was written is read, seed ${seed}`);
}

/** A line of 40 to 80 bytes, about what a printer says of a job. */
function record(n: number, random: Random): string {
  return `${JSON.stringify({ n, job: random.below(1e9), text: 'x'.repeat(5 + random.below(40)) })}\n`;
}
