// serial
// deadline: 60m
import { suite } from 'uvu';
import { flowCampaign } from './flows.ts';

const test = suite('flows that misbehave, at length');

test('thirty rounds', () => flowCampaign(30));

test.run();
