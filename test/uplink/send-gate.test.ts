import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SendGate } from '../../src/uplink/send-gate.ts';

const test = suite('send gate');

function gate(limitBytes: number) {
  const told = { drains: 0 };
  return { told, gate: new SendGate(limitBytes, () => told.drains++) };
}

test('bytes under way beyond the limit ask to wait; half of it lets go on, once', () => {
  const { told, gate: it } = gate(100);
  assert.ok(it.taken(60, true));
  assert.not(it.taken(40, true));
  assert.not(it.taken(40, true));
  it.settled(40);
  assert.is(told.drains, 0);
  it.settled(60);
  assert.is(told.drains, 1);
  it.settled(40);
  assert.is(told.drains, 1);
});

test('a full write buffer asks to wait until it is empty', () => {
  const { told, gate: it } = gate(100);
  assert.not(it.taken(1, false));
  it.settled(1);
  assert.is(told.drains, 0);
  it.bufferDrained();
  assert.is(told.drains, 1);
  assert.ok(it.taken(1, true));
});

test('a blocked link asks to wait until it is no longer, and says so only to who was told to wait', () => {
  const { told, gate: it } = gate(100);
  it.setBlocked(true);
  it.setBlocked(false);
  assert.is(told.drains, 0);
  it.setBlocked(true);
  assert.ok(it.blocked);
  assert.not(it.taken(1, true));
  it.setBlocked(false);
  assert.is(told.drains, 1);
});

test.run();
