/** A line that comes in the very turn in which a deploy stops the flows is sent once: held by the engine, or given back. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type SerialInConfig, SerialInController } from '../../nodes/serial-in/controller.ts';
import type { SerialPortController, SerialUser } from '../../nodes/serial-port/controller.ts';

const test = suite('a line in the turn of a deploy');

/** What was sent, and what was given back. */
function lineInTheTurn(isHeld: boolean): { sent: unknown[]; back: string[] } {
  const sent: unknown[] = [];
  const back: string[] = [];
  let reader: SerialUser | undefined;
  const port = {
    join(user: SerialUser) {
      if (user.frame) reader = user;
      return () => {};
    },
    giveBack: (frames: readonly Buffer[]) => back.push(...frames.map(String)),
  } as unknown as SerialPortController;
  const controller = new SerialInController({
    config: { payload: 'text', encoding: 'utf8', topic: '' } as SerialInConfig,
    port,
    send: ({ payload }) => sent.push(payload),
    fail: (error) => {
      throw error;
    },
    status: () => {},
  });
  controller.start();
  controller.read();
  reader!.frame!(Buffer.from('line 1'));
  controller.stopping(1000, isHeld);
  return { sent, back };
}

test('a plain Node-RED drops what is under way: the line is given back and comes again', () => {
  assert.equal(lineInTheTurn(false), { sent: ['line 1'], back: ['line 1'] });
});

test('the flow engine holds it: it is not given back', () => {
  assert.equal(lineInTheTurn(true), { sent: ['line 1'], back: [] });
});

test.run();
