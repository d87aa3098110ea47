// deadline: 180s
import { suite } from 'uvu';
import { firstStarts, laterStarts } from './first-start.ts';

const test = suite('kill -9 while starting');

test('the very first start, killed at a dozen instants', () => firstStarts(12));
test('later starts and stops, killed a dozen times', () => laterStarts(12));

test.run();
