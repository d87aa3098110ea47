import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { FlowNode, SendEvent } from '../../src/flow-engine/child/node-red.ts';
import { Traffic } from '../../src/flow-engine/child/traffic.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';

const test = suite('traffic of messages');

class TestNode implements FlowNode {
  readonly id: string;
  readonly type: string;
  readonly sent: unknown[] = [];
  readonly _inputCallback = { length: 3 };

  constructor(id: string, type = 'test') {
    this.id = id;
    this.type = type;
  }

  send(outputs: unknown): void {
    this.sent.push(outputs);
  }
}

function setUp(limits: object = {}) {
  const clock = new ManualClock();
  const nodes = new Map<string, TestNode>();
  const warnings: string[] = [];
  const traffic = new Traffic({
    clock,
    limits: { drainMs: 10_000, stuckMs: 10_000, maxHeld: 3, maxHeldBytes: 100_000, ...limits },
    nodeOf: (id) => nodes.get(id),
    warn: (text) => warnings.push(text),
  });
  const node = (id: string, type?: string) => {
    const made = new TestNode(id, type);
    nodes.set(id, made);
    return made;
  };
  /** Sends along a wire as Node-RED would: false when it was held. */
  const send = (source: TestNode, destination: TestNode, msg: object, port = 0) => {
    const event: SendEvent = {
      msg,
      source: { id: source.id, node: source, port },
      destination: { id: destination.id, node: destination },
    };
    if (traffic.onSend([event]) === false) return false;
    traffic.onDeliver(event);
    return true;
  };
  const done = (at: TestNode, msg: object) => traffic.onComplete({ msg, node: { id: at.id, node: at } });
  const quiesce = async (ms: number) => {
    let isOver = false;
    void traffic.quiesce().then(() => {
      isOver = true;
    });
    await settle();
    await clock.advanceGently(ms);
    return isOver;
  };
  return { clock, nodes, warnings, traffic, node, send, done, quiesce };
}

test('waits for what is under way, and holds what sources send', async () => {
  const { traffic, node, send, done, quiesce, clock } = setUp();
  const [source, middle, sink] = [node('source'), node('middle'), node('sink')];
  const message = { payload: 1 };
  send(source, middle, message);
  assert.not.ok(await quiesce(1000));
  assert.not.ok(send(source, middle, { payload: 2 }));
  assert.ok(send(middle, sink, message), 'a node that has a message sends on');
  done(middle, message);
  await clock.advanceGently(1000);
  assert.is(traffic.underWay, 1);
  done(sink, message);
  await clock.advanceGently(100);
  await traffic.release();
  assert.equal(source.sent, [[[{ payload: 2 }]]]);
  assert.ok(send(source, middle, { payload: 3 }));
  assert.is(traffic.heldTotal, 1);
});

test('the deadline switches whatever is left, and says so', async () => {
  const { node, send, quiesce, warnings } = setUp({ drainMs: 2000 });
  const [source, middle] = [node('source'), node('middle')];
  send(source, middle, {});
  assert.ok(await quiesce(2100));
  assert.match(warnings.join(), '1 messages had not reached the end');
});

test('does not wait for a node that has never said done, once it is found out', async () => {
  const { node, send, quiesce, clock } = setUp();
  const [source, forgetful] = [node('source'), node('forgetful')];
  for (let i = 0; i < 12; i++) {
    send(source, forgetful, {});
    clock.advance(1000);
  }
  assert.ok(await quiesce(100));
});

test('does not wait for what a node has had for long, but for what it got lately', async () => {
  const { node, send, done, quiesce, clock } = setUp();
  const [source, slow] = [node('source'), node('slow')];
  const first = {};
  send(source, slow, first);
  done(slow, first);
  send(source, slow, {});
  clock.advance(20_000);
  const late = {};
  send(source, slow, late);
  assert.not.ok(await quiesce(5000));
  done(slow, late);
  await clock.advanceGently(100);
});

test('does not wait for nodes that gather, once nothing moves', async () => {
  const { node, send, quiesce } = setUp();
  const [source, join] = [node('source'), node('join', 'join')];
  send(source, join, {});
  assert.ok(await quiesce(700));
});

test('holds so many at most, and counts what it cannot keep', async () => {
  const { traffic, node, nodes, send, quiesce, warnings } = setUp();
  const [source, gone, sink] = [node('source'), node('gone'), node('sink')];
  assert.ok(await quiesce(100));
  send(source, sink, { payload: 1 });
  send(gone, sink, { payload: 2 });
  send(source, sink, { payload: Buffer.alloc(200_000) });
  send(source, sink, { payload: 3 }, 1);
  send(source, sink, { payload: 4 });
  assert.is(traffic.dropped, 2);
  nodes.delete('gone');
  await traffic.release();
  assert.equal(source.sent, [[[{ payload: 1 }]], [[], [{ payload: 3 }]]]);
  assert.is(traffic.dropped, 3);
  assert.match(warnings.join('\n'), '1 messages of test gone are lost');
  assert.match(warnings.join('\n'), '2 messages of sources were too many');
});

test('a node that knows no done is through when its handler returns', async () => {
  const { traffic, node, send } = setUp();
  const [source, old] = [node('source'), node('old')];
  Object.assign(old, { _inputCallback: { length: 1 } });
  const msg = {};
  send(source, old, msg);
  assert.is(traffic.underWay, 1);
  traffic.onReturned({ msg, destination: { id: old.id, node: old } });
  assert.is(traffic.underWay, 0);
});

test('one message on several wires of an output is sent again once', async () => {
  const { traffic, node, quiesce } = setUp();
  const [source, one, two] = [node('source'), node('one'), node('two')];
  assert.ok(await quiesce(100));
  const msg = { payload: 1 };
  const event = (destination: TestNode): SendEvent => ({
    msg,
    source: { id: source.id, node: source, port: 0 },
    destination: { id: destination.id },
  });
  assert.is(traffic.onSend([event(one), event(two)]), false);
  await traffic.release();
  assert.equal(source.sent, [[[{ payload: 1 }]]]);
});

test.run();
