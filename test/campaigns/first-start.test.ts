// deadline: 180s
import { suite } from 'uvu';
import { firstStarts, laterStarts } from './first-start.ts';

const test = suite('kill -9 while starting');

test('the very first start, killed at six instants', () => firstStarts(6));
test('later starts and stops, killed six times', () => laterStarts(6));

test.run();
