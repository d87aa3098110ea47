// deadline: 20m
import { suite } from 'uvu';
import { unpluggedCampaign } from './unplugged.ts';

const test = suite('the printer line, unplugged, at length');

test('ten thousand lines at 115,200 baud', () => unpluggedCampaign({ lines: 10_000, pulls: 20 }));

test.run();
