// serial
// deadline: 60m
import { suite } from 'uvu';
import { firstStarts, laterStarts } from './first-start.ts';

const test = suite('kill -9 while starting, at length');

test('the very first start, killed at 150 instants 10 ms apart', () => firstStarts(150));
test('later starts and stops, killed 150 times', () => laterStarts(150));

test.run();
