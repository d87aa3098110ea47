// deadline: 180s
// slow
import { suite } from 'uvu';
import { SmallDisk } from '../support/site/small-disk.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { powerCuts } from './power-cut.ts';

const disk = await SmallDisk.mount(temporaryFolder('holdfast-power-cut-disk-'), 256 * 1024 * 1024);
const test = suite('power cuts under load');

if (typeof disk === 'string') {
  console.log(`power-cut: skipped: ${disk}`);
  test.skip(`skipped: ${disk}`);
} else {
  test('four cuts: every acknowledged report is in the database once and in order', () => powerCuts(disk, 4, 40));
  test.after(() => disk.unmount());
}

test.run();
