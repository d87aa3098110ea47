// slow
/** The demo as `npm start` runs it: cut, killed, restored, ended. */
import { execFileSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryFolder } from '../support/temporary.ts';
import { demoPorts, killDemos, RunningDemo } from './support.ts';

const test = suite('the demo');
test.after.each(killDemos);

test('delivers, keeps while the uplink is cut, survives a kill, drains, and loses nothing', async () => {
  const folder = temporaryFolder();
  const demo = new RunningDemo(folder.path, ['--speed', '600'], await demoPorts());
  await demo.until(({ delivered, stored, isUp }) => isUp && delivered > 10 && stored > 10, 'the first reports');

  demo.say('cut');
  const cut = await demo.until(({ isUp, pending }) => !isUp && pending > 5, 'reports wait');
  const more = await demo.until(({ pending }) => pending > cut.pending + 5, 'more wait');
  assert.is(more.delivered, cut.delivered);
  assert.is(more.stored, cut.stored);

  demo.say('kill');
  await demo.until((_, lines) => lines.some((line) => line.startsWith('the gateway runs again')), 'it runs again');
  const after = await demo.until(({ isUp, accepted }) => !isUp && accepted > more.accepted, 'it goes on');
  assert.ok(after.pending >= more.pending, 'what had waited still waits');

  demo.say('restore');
  await demo.until(({ isUp, delivered }) => isUp && delivered >= after.accepted, 'all that has waited is delivered');
  demo.say('what?');
  demo.say('quit');
  assert.is(await demo.exit, 0, demo.lines.join('\n'));
  const { figures, lines } = demo;
  assert.equal([figures!.pending, figures!.delivered, figures!.stored], [0, figures!.accepted, figures!.accepted]);
  assert.ok(lines.includes('Nothing was lost.'));
  assert.is(lines.filter((line) => line.startsWith('Commands, one a line')).length, 2);

  // The folder is kept: the next start goes on from there, and --seconds ends it.
  const second = new RunningDemo(folder.path, ['--speed', '600', '--seconds', '3'], await demoPorts());
  assert.is(await second.exit, 0, second.lines.join('\n'));
  assert.ok(second.figures!.accepted > figures!.accepted);
  assert.ok(second.lines.includes('Nothing was lost.'));
  folder.remove();
});

test('its printers ask before they print; a lease answers while the uplink is cut, and not once it is taken away', async () => {
  const folder = temporaryFolder();
  const demo = new RunningDemo(folder.path, ['--speed', '3000'], await demoPorts());
  const start = await demo.until(({ granted }) => granted >= 6, 'each printer has begun to print');
  demo.say('cut');
  const cut = await demo.until(({ isUp, byLease }) => !isUp && byLease > start.byLease + 1, 'leases answer');
  demo.say('restore');
  await demo.until(({ isUp, granted }) => isUp && granted > cut.granted, 'the centre answers again');
  demo.say('a');
  const taken = await demo.until(
    (_, lines) => lines.some((line) => /^authorization of printer-0001 taken/.test(line)),
    'taken',
  );
  const refused = await demo.until((now) => now.refused > taken.refused, 'printer-0001 is refused');
  demo.say('a');
  await demo.until(
    (_, lines) => lines.some((line) => /^authorization of printer-0001 given back/.test(line)),
    'given back',
  );
  await demo.until(({ granted }) => granted > refused.granted + 6, 'all print again');

  // The line that is printed for a shell: a login at the gateway with the centre's account, and a query.
  const line = demo.lines.find((each) => each.startsWith('  curl -s '))!;
  let answer: { 错误: string; 信息?: unknown[] } = { 错误: '?' };
  for (let tries = 0; tries < 20 && answer.错误 !== ''; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    answer = JSON.parse(execFileSync('sh', ['-c', line], { encoding: 'utf8' }));
  }
  assert.is(answer.错误, '');
  assert.is(answer.信息?.length, 3);
  demo.say('quit');
  assert.is(await demo.exit, 0, demo.lines.join('\n'));
  assert.ok(demo.lines.some((each) => /^They asked \d+ times whether they may print: \d+ granted, [1-9]/.test(each)));
  folder.remove();
});

test('ends in order at SIGTERM while the uplink is cut; what waits is said', async () => {
  const folder = temporaryFolder();
  const demo = new RunningDemo(folder.path, ['--speed', '600'], await demoPorts());
  await demo.until(({ isUp, delivered }) => isUp && delivered > 5, 'the first reports');
  demo.say('cut');
  await demo.until(({ pending }) => pending > 5, 'reports wait');
  demo.terminate();
  assert.is(await demo.exit, 0, demo.lines.join('\n'));
  assert.ok(demo.lines.some((line) => /are safe on disk and go on at the next start/.test(line)));
  folder.remove();
});

test.run();
