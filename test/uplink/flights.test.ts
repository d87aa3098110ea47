import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DecodedRecord, Spool } from '../../src/spool/index.ts';
import { Flights } from '../../src/uplink/flights.ts';

const test = suite('flights');

test('a report that has gone to another log has another flight there, which the end of the first does not touch', () => {
  const done = new Set<string>();
  const spool = { isDone: (log: string, ordinal: number) => done.has(`${log} ${ordinal}`) } as Spool;
  const flights = new Flights({ spool, gatewayId: 'gw' });
  const record = { boot: 'b', sequence: 7, ordinal: 3, channel: 'c', serial: 's' } as unknown as DecodedRecord;
  const first = flights.of(record, 'process')!;
  flights.park(first);
  assert.is(flights.of(record, 'process'), first);
  // It is put aside.
  flights.takeOut(first);
  done.add('process 3');
  const moved = { ...record, ordinal: 0 } as DecodedRecord;
  const second = flights.of(moved, 'deferred')!;
  assert.is(second.messageId, first.messageId);
  assert.is(second.log, 'deferred');
  flights.park(second);
  flights.remove(first);
  assert.is(flights.get(second.messageId), second);
  assert.is(flights.of(record, 'process'), undefined);
  flights.remove(second);
  assert.is(flights.get(second.messageId), undefined);
});

test.run();
