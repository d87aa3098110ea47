// deadline: 180s
import { suite } from 'uvu';
import { firstStarts, laterStarts } from './first-start.ts';

const test = suite('kill -9 while starting');

test('the very first start, killed at ten instants', () => firstStarts(10));
test('later starts and stops, killed ten times', () => laterStarts(10));

test.run();
