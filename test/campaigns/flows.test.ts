// deadline: 240s
import { suite } from 'uvu';
import { flowCampaign } from './flows.ts';

const test = suite('flows that misbehave');

test('once each: machines are acknowledged meanwhile, what was confirmed is in the database once, the engine comes back', () =>
  flowCampaign(1));

test.run();
