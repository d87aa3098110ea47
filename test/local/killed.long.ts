import { test } from 'uvu';
import { killCampaign } from './killed.ts';

test('reports of a flow that were stored are delivered exactly once over a hundred kills of the gateway', () =>
  killCampaign(100));

test.run();
