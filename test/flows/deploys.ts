/**
 * Full deploys and restarts of the flow engine while a pseudo terminal sends lines without a pause. Used by deploys.test.ts
 * and deploys.long.ts.
 *
 * A deploy may neither lose nor double a line. A restart may lose what the process had read and not had confirmed, since a
 * serial line cannot be asked again; it may double nothing and lose nothing that was confirmed.
 */

import * as assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { PtyDevice } from '../support/pty.ts';
import { Random } from '../support/random.ts';
import { campaignSeed } from '../support/site/program.ts';
import { until } from '../support/until.ts';
import { LineWriter, writerSerial } from './line-writer.ts';
import { changed, type FlowNode, FlowSite, serialLine } from './support.ts';
import { addTestNodes } from './test-nodes.ts';

export interface DeployOptions {
  readonly deploys: number;
  /** Orderly ends of the whole gateway, with its engine. */
  readonly stops: number;
  /** `kill -9` of the engine alone. */
  readonly kills: number;
  readonly linesPerSecond: number;
}

export async function deployCampaign({ deploys, stops, kills, linesPerSecond }: DeployOptions): Promise<void> {
  const seed = campaignSeed('deploys');
  const random = new Random(seed);
  const why = `seed ${seed}`;
  const site = new FlowSite({
    environment: { HOLDFAST_FLOWS_EDITOR_ENABLED: 'true' },
    limits: { firstPauseMs: 50, maxPauseMs: 200, maxFailures: 1000 },
  });
  const device = new PtyDevice(site.folder.file('usb-Maker_Printer_0042-if00'));
  const confirmedFile = site.folder.file('confirmed');
  const flow = serialLine(device.uri);
  const startedAt = performance.now();
  let writer: LineWriter | undefined;
  try {
    await device.plug();
    await site.start(flow, (folder) => addTestNodes(folder, { confirmed: confirmedFile, trouble: '' }));
    const confirmed = () =>
      existsSync(confirmedFile) ? readFileSync(confirmedFile, 'utf8').split('\n').filter(Boolean).map(Number) : [];
    const documents = async () =>
      (await site.documents('device_process', writerSerial)).map(({ n }) => Number(n)).sort((a, b) => a - b);
    const more = async (count: number) => {
      const before = confirmed().length;
      await until(
        () => confirmed().length >= before + count,
        () => `${count} more lines, ${why}\n${site.tail}`,
      );
    };

    /** When the last line has come through, so have all before it that will. */
    const allThrough = async (last: number) => {
      await until(
        () => confirmed().includes(last),
        () => `line ${last}, ${why}\n${site.tail}`,
      );
      await until(async () => (await site.health()).spool.pending === 0, `all is delivered, ${why}`);
    };

    writer = new LineWriter(device, linesPerSecond);
    await more(10);
    // The centre tells a gateway its accounts once it has heard of it.
    const editor = await site.editor();
    for (let deploy = 0; deploy < deploys; deploy++) {
      await sleep(random.below(150));
      // Two people at once: the second deploy begins while the flow of the first is still down.
      const names = random.chance(0.3) ? [`deploy ${deploy}`, `deploy ${deploy} again`] : [`deploy ${deploy}`];
      const isReport = ({ type }: FlowNode) => type === 'holdfast-report';
      await Promise.all(names.map((name) => editor.deploy(changed(flow, isReport, { name }))));
    }
    await more(10);
    const deployed = await writer.end();
    await allThrough(deployed - 1);
    // What was said before the port was open nobody has heard.
    const heard = Math.min(...confirmed());
    const dropped = (await site.metrics('holdfast_flow_messages_dropped_total')).join();
    const wrong = firstWrong(await documents(), heard, deployed);
    assert.deepEqual(wrong, [], `${wrong.join(', ')}; heard from ${heard}, ${why} ${dropped}\n${site.tail}`);

    writer = new LineWriter(device, linesPerSecond, deployed);
    for (let restart = 0; restart < stops + kills; restart++) {
      await more(10);
      await sleep(random.below(200));
      if (restart < stops) {
        await site.gateway.stop();
        await site.startGateway();
      } else {
        const { restarts, pid } = await site.flows();
        process.kill(pid!, 'SIGKILL');
        await until(async () => (await site.flows()).restarts > restarts, `it was started again, ${why}`);
        await site.runs();
      }
    }
    await more(10);
    const written = await writer.end();
    await allThrough(written - 1);
    const found = await documents();
    const twice = found.filter((n, index) => n === found[index - 1]);
    assert.deepEqual(twice.slice(0, 10), [], `no line twice, ${why}`);
    const known = new Set(found);
    assert.deepEqual(
      confirmed()
        .filter((n) => !known.has(n))
        .slice(0, 10),
      [],
      `what was confirmed is there, ${why}`,
    );
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    console.log(
      `deploys: ${deploys} full deploys over ${deployed} lines, none lost or doubled; ${stops} stops and ${kills} kills ` +
        `over ${written - deployed} lines, none doubled, ${written - found.length} under way lost; ${seconds} s`,
    );
  } finally {
    void writer?.end();
    await site.stop();
    await device.unplug();
    await writer?.end();
  }
}

/** The first numbers of a range that are missing or there twice. */
function firstWrong(found: readonly number[], from: number, to: number): string[] {
  const times = new Map<number, number>();
  for (const n of found) times.set(n, (times.get(n) ?? 0) + 1);
  return Array.from({ length: to - from }, (_, index) => from + index)
    .filter((n) => times.get(n) !== 1)
    .slice(0, 10)
    .map((n) => `line ${n}: ${times.get(n) ?? 0} times`);
}
