// serial
// deadline: 60m
import { suite } from 'uvu';
import { SmallDisk } from '../support/site/small-disk.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { cutFirstStarts, powerCuts } from './power-cut.ts';

const disk = await SmallDisk.mount(temporaryFolder('holdfast-power-cut-disk-'), 1024 * 1024 * 1024);
const test = suite('power cuts, at length');

if (typeof disk === 'string') {
  console.log(`power-cut: skipped: ${disk}`);
  test.skip(`skipped: ${disk}`);
} else {
  test('200 cuts: every acknowledged report is in the database once and in order', () => powerCuts(disk, 200, 25));
  test('60 cuts in a very first start: the box starts, is the same gateway, and has what it acknowledged', () =>
    cutFirstStarts(disk, 60));
  test.after(() => disk.unmount());
}

test.run();
