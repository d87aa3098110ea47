/**
 * The printer line's serial port at the pace of 115,200 baud, pulled out again and again: in the middle of a line, and while
 * lines are under way. Used by unplugged.test.ts and unplugged.long.ts.
 *
 * Complete is a line of which every byte was taken by the pseudo terminal after the flow was heard to read it, and before it
 * was pulled out: what the far end waits for before it pulls. Each complete line is a document at the centre once; a line
 * that was under way when the plug was pulled is one at most once; a line that was cut never.
 */

import * as assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { PtyDevice } from '../support/pty.ts';
import { Random } from '../support/random.ts';
import { campaignSeed } from '../support/site/program.ts';
import { until } from '../support/until.ts';
import { FlowSite, serialLine } from './support.ts';
import { addTestNodes } from './test-nodes.ts';

/** Ten bits a byte. */
const bytesPerMs = 11.52;
const serial = 'sn000001';

export async function unpluggedCampaign({ lines, pulls }: { lines: number; pulls: number }): Promise<void> {
  const seed = campaignSeed('unplugged');
  const random = new Random(seed);
  const site = new FlowSite();
  const device = new PtyDevice(site.folder.file('usb-Maker_Printer_0042-if00'));
  const confirmedFile = site.folder.file('confirmed');
  const startedAt = performance.now();
  const complete = new Set<number>();
  const doubtful = new Set<number>();
  const cut = new Set<number>();
  let next = 0;
  try {
    await device.plug();
    await site.start(serialLine(device.uri), (folder) => {
      addTestNodes(folder, { confirmed: confirmedFile, trouble: '' });
    });
    const confirmed = () =>
      new Set(
        existsSync(confirmedFile) ? readFileSync(confirmedFile, 'utf8').split('\n').filter(Boolean).map(Number) : [],
      );
    const isConfirmed = (n: number) =>
      until(
        () => confirmed().has(n),
        () => `line ${n}, seed ${seed}\n${site.tail}`,
      );

    for (let pull = 0; pull <= pulls; pull++) {
      if (pull > 0) await device.plug();
      // Nobody hears what a device says before its port is open again.
      let probe = -1;
      while (probe < 0 || !confirmed().has(probe)) {
        probe = next++;
        doubtful.add(probe);
        device.send(line(probe));
        await sleep(200);
      }
      const sent: number[] = [];
      const begun = performance.now();
      let bytes = 0;
      for (const end = Math.ceil((lines * (pull + 1)) / (pulls + 1)); next < end; ) {
        const text = line(next);
        sent.push(next++);
        device.send(text);
        await device.drained();
        bytes += Buffer.byteLength(text);
        const aheadMs = bytes / bytesPerMs - (performance.now() - begun);
        if (aheadMs > 5) await sleep(aheadMs);
      }
      const isPulledUnderWay = pull % 2 === 1 && sent.length > 20;
      // The last ones may still be on the wire then.
      const last = isPulledUnderWay ? sent.at(-20)! : sent.at(-1)!;
      await isConfirmed(last);
      for (const n of sent) (n <= last ? complete : doubtful).add(n);
      if (pull === pulls) break;
      const text = line(next);
      cut.add(next++);
      device.send(text.slice(0, 1 + random.below(text.length - 2)));
      await sleep(random.below(50));
      await device.unplug();
    }
    await until(async () => (await site.health()).spool.pending === 0, `all is delivered, seed ${seed}`);
    const found = (await site.documents('device_process', serial)).map(({ n }) => Number(n)).sort((a, b) => a - b);
    const known = new Set(found);
    const why = `seed ${seed}`;
    assert.deepEqual(found.filter((n, index) => n === found[index - 1]).slice(0, 10), [], `no line twice, ${why}`);
    assert.deepEqual([...complete].filter((n) => !known.has(n)).slice(0, 10), [], `every complete line, ${why}`);
    assert.deepEqual(
      [...cut].filter((n) => known.has(n)),
      [],
      `no line that was cut, ${why}`,
    );
    assert.deepEqual(
      found.filter((n) => !complete.has(n) && !doubtful.has(n)),
      [],
      `nothing else, ${why}`,
    );
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    console.log(
      `unplugged: ${complete.size} complete lines, each one document; ${pulls} pulls, ${cut.size} cut, ${doubtful.size} under way or not heard; ${seconds} s`,
    );
  } finally {
    await site.stop();
    await device.unplug();
  }
}

const line = (n: number): string =>
  `${JSON.stringify({
    序列号: serial,
    机器型号: 'P440',
    机器名称: '重庆1号机',
    地址: '中国重庆市沙坪坝25号',
    设备状态: '刮粉',
    刮粉层数: '1',
    报文时间: '2026-11-21 10:00:00',
    n,
  })}\n`;
