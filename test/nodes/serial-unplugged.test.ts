import { suite } from 'uvu';
import { unplugCampaign } from './serial-unplugged.ts';

const test = suite('serial lines with unplugging');

test('1,000 lines as fast as they go, six unpluggings: every complete line comes out once', () =>
  unplugCampaign({ lines: 1_000, unpluggings: 6, baud: 0 }));

test.run();
