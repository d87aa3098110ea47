import { setTimeout as sleep } from 'node:timers/promises';
import type { PtyDevice } from '../support/pty.ts';

/** The machine whose lines these are. */
export const writerSerial = 'sn000001';

/** Writes numbered JSON lines to a pseudo terminal at a steady rate, whether anybody reads or not. */
export class LineWriter {
  /** The number of the next line. */
  next: number;
  readonly #device: PtyDevice;
  readonly #perSecond: number;
  #isOver = false;
  readonly #work: Promise<void>;

  constructor(device: PtyDevice, perSecond: number, first = 0) {
    this.next = first;
    this.#device = device;
    this.#perSecond = perSecond;
    this.#work = this.#run();
  }

  /** Resolves with the number of the next line when the last one is with the device. */
  async end(): Promise<number> {
    this.#isOver = true;
    await this.#work;
    await this.#device.drained();
    return this.next;
  }

  async #run(): Promise<void> {
    const startedAt = performance.now();
    const first = this.next;
    while (!this.#isOver) {
      const due = first + ((performance.now() - startedAt) / 1000) * this.#perSecond;
      while (this.next < due) this.#device.send(`${JSON.stringify(report(this.next++))}\n`);
      await this.#device.drained();
      await sleep(5);
    }
  }
}

const report = (n: number) => ({
  序列号: writerSerial,
  机器型号: 'P440',
  机器名称: '重庆1号机',
  地址: '中国重庆市沙坪坝25号',
  设备状态: '开始打印',
  报文时间: '2026-11-21 10:00:00',
  n,
});
