// serial
// deadline: 60m
import { suite } from 'uvu';
import { crashCampaign } from './crash.ts';

const test = suite('kill -9 of the gateway under load, at length');

test('200 kills: every acknowledged report is in the database once and in order', () => crashCampaign(200, 15));

test.run();
