import { suite } from 'uvu';
import { deployCampaign } from './deploys.ts';

const test = suite('deploys and restarts under serial lines');

test('ten full deploys lose and double nothing; a stop and a kill double nothing and keep what was confirmed', () =>
  deployCampaign({ deploys: 10, stops: 1, kills: 1, linesPerSecond: 150 }));

test.run();
