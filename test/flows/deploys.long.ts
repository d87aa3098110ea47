// deadline: 20m
import { suite } from 'uvu';
import { deployCampaign } from './deploys.ts';

const test = suite('deploys and restarts under serial lines, at length');

test('a hundred full deploys, ten stops and ten kills', () =>
  deployCampaign({ deploys: 100, stops: 10, kills: 10, linesPerSecond: 300 }));

test.run();
