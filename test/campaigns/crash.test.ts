// deadline: 180s
import { suite } from 'uvu';
import { crashCampaign } from './crash.ts';

const test = suite('kill -9 of the gateway under load');

test('eight kills: every acknowledged report is in the database once and in order', () => crashCampaign(8, 25));

test.run();
