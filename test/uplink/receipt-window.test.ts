import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ReceiptWindow } from '../../src/uplink/receipt-window.ts';

const receipts = (window: ReceiptWindow, count: number) => {
  for (let index = 0; index < count; index++) window.onReceipt();
};

test('a slow centre: half at each silence, and one more for each window that was receipted', () => {
  const window = new ReceiptWindow(512);
  window.onSilence();
  assert.is(window.size, 256);
  receipts(window, 256);
  assert.is(window.size, 257);
  window.onSilence();
  assert.is(window.size, 128);
  receipts(window, 127);
  assert.is(window.size, 128);
  receipts(window, 1);
  assert.is(window.size, 129);
});

test('a centre that was away: as many as were left at its first silence come back with as many receipts', () => {
  const window = new ReceiptWindow(512);
  for (let silences = 0; silences < 12; silences++) window.onSilence();
  assert.is(window.size, 1);
  receipts(window, 255);
  assert.is(window.size, 256);
  receipts(window, 255);
  assert.is(window.size, 256);
  receipts(window, 1);
  assert.is(window.size, 257);
  receipts(window, 200_000);
  assert.is(window.size, 512);
});

test.run();
