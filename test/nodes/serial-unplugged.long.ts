// deadline: 600s
import { suite } from 'uvu';
import { unplugCampaign } from './serial-unplugged.ts';

const test = suite('serial lines with unplugging, at length');

test('10,000 lines at 115,200 baud, 40 unpluggings: every complete line comes out once', () =>
  unplugCampaign({ lines: 10_000, unpluggings: 40, baud: 115_200 }));

test('10,000 lines as fast as they go, 40 unpluggings', () =>
  unplugCampaign({ lines: 10_000, unpluggings: 40, baud: 0 }));

test.run();
