import { test } from 'uvu';
import { killCampaign } from './killed.ts';

test('reports of a flow that were stored are delivered exactly once over ten kills of the gateway', () =>
  killCampaign(10));

test.run();
