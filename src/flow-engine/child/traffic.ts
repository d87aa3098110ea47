/**
 * The messages that are under way in the flows, so that a deploy loses none and doubles none.
 *
 * A delivery begins when a message is handed to a node and ends when the node is through with it: with its `done`, or, in
 * a node that knows no `done`, when its handler returns. A deploy calls `quiesce`: from then on what a node sends without
 * having a delivery (a source: a timer, a port, a subscription) is held, in order; what the others send flows on. As soon
 * as no delivery is left the flow is switched, and `release` sends what was held from the nodes of the same id.
 *
 * Invariants: held messages are bounded, what does not fit is counted; nothing is held for longer than a deploy takes.
 * Failure behaviour: a node that never calls `done` is found out and not waited for; nodes that gather messages (join,
 * batch, sort) are not waited for once nothing moves, since nothing more will come to them; at the deadline the flow is
 * switched whatever is left.
 */
import { serialize } from 'node:v8';
import type { Clock } from '../../platform/clock.ts';
import type { ChildLimits } from '../protocol.ts';
import type { CompleteEvent, FlowNode, NodeRedHooks, ReceiveEvent, SendEvent } from './node-red.ts';

export interface TrafficOptions {
  readonly clock: Clock;
  readonly limits: ChildLimits;
  /** The running node of an id. */
  readonly nodeOf: (id: string) => FlowNode | null | undefined;
  readonly warn: (text: string) => void;
}

interface Delivery {
  count: number;
  readonly sinceMs: number;
}

interface Held {
  readonly id: string;
  readonly label: string;
  readonly outputs: unknown[][];
  readonly bytes: number;
}

const pollMs = 20;
/** Nothing has moved for so long: what gathers messages will not get any more. */
const quietMs = 500;
const gatherers = new Set(['join', 'batch', 'sort']);
/** The runtime hands them messages without a wire. */
const directReceivers = new Set(['link in', 'catch', 'complete']);
const maxPerNode = 10_000;
const releaseBatch = 100;
/** A message that cannot be measured, because it holds a socket or a function. */
const unmeasuredBytes = 4096;

export class Traffic {
  readonly #options: TrafficOptions;
  readonly #deliveries = new Map<FlowNode, Map<object, Delivery>>();
  /** Nodes, by id, that have called `done` at least once. */
  readonly #completing = new Set<string>();
  #underWay = 0;
  #movedAtMs = 0;
  #isHolding = false;
  #isPassing = false;
  #held: Held[] = [];
  #heldBytes = 0;
  #heldTotal = 0;
  #dropped = 0;
  /** Of these, the ones that were too many since the last release. */
  #overflow = 0;
  #releasing: Promise<void> = Promise.resolve();

  constructor(options: TrafficOptions) {
    this.#options = options;
  }

  /** Deliveries that have begun and not ended. */
  get underWay(): number {
    return this.#underWay;
  }

  /** What sources send waits for `release`. */
  get isHolding(): boolean {
    return this.#isHolding;
  }

  /** Messages that were held since the start. */
  get heldTotal(): number {
    return this.#heldTotal;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** Listens to Node-RED's hooks. */
  attach(hooks: NodeRedHooks): void {
    hooks.add('onSend.holdfast', (events) => this.onSend(events));
    hooks.add('preDeliver.holdfast', (event) => this.onDeliver(event));
    hooks.add('onReceive.holdfast', (event) => this.onReceive(event));
    hooks.add('postReceive.holdfast', (event) => this.onReturned(event));
    hooks.add('onComplete.holdfast', (event) => this.onComplete(event));
  }

  /** A node sends: `false` when that is held. */
  onSend(events: readonly SendEvent[]): false | undefined {
    if (!this.#isHolding || this.#isPassing) return undefined;
    const source = events[0]?.source.node;
    if (source === undefined || this.#isHandling(source)) return undefined;
    this.#hold(source, events);
    return false;
  }

  onDeliver({ msg, destination }: SendEvent): void {
    if (destination.node !== undefined) this.#begin(destination.node, msg);
  }

  onReceive({ msg, destination: { node } }: ReceiveEvent): void {
    if (directReceivers.has(node.type) && !this.#deliveries.get(node)?.has(msg)) this.#begin(node, msg);
  }

  onReturned({ msg, destination: { node } }: ReceiveEvent): void {
    if (!expectsDone(node)) this.#end(node, msg);
  }

  onComplete({ msg, node: { node } }: CompleteEvent): void {
    this.#completing.add(node.id);
    this.#end(node, msg);
  }

  /** Holds what sources send, and resolves when the other messages have reached the end of their flow, or in time. */
  async quiesce(deadlineMs = this.#options.limits.drainMs): Promise<void> {
    const { clock, warn } = this.#options;
    await this.#releasing;
    this.#isHolding = true;
    const begunMs = clock.monotonicMs();
    this.#movedAtMs = begunMs;
    // Twice in a row: what is on its way from one node to the next turn of the event loop is seen by then.
    for (let calm = 0; calm < 2; ) {
      await clock.sleep(pollMs);
      calm = this.#isCalm(begunMs) ? calm + 1 : 0;
      if (clock.monotonicMs() - begunMs < deadlineMs) continue;
      if (calm === 0) warn(`${this.#underWay} messages had not reached the end of their flow after ${deadlineMs} ms`);
      return;
    }
  }

  /** Sends what was held, from the nodes that run now. */
  release(): Promise<void> {
    this.#releasing = this.#releasing.then(() => this.#sendHeld());
    return this.#releasing;
  }

  /** There is no flow after this one: what is held is given up. */
  abandon(): void {
    this.#dropped += this.#held.length;
    if (this.#held.length > 0) this.#options.warn(`${this.#held.length} messages of sources came while stopping`);
    this.#held = [];
    this.#heldBytes = 0;
  }

  #begin(node: FlowNode, msg: object): void {
    const { clock } = this.#options;
    this.#movedAtMs = clock.monotonicMs();
    const messages = this.#deliveries.get(node) ?? new Map<object, Delivery>();
    this.#deliveries.set(node, messages);
    const known = messages.get(msg);
    if (known !== undefined) known.count++;
    else messages.set(msg, { count: 1, sinceMs: this.#movedAtMs });
    this.#underWay++;
    if (messages.size > maxPerNode) this.#forget(node, messages, messages.keys().next().value!);
  }

  #end(node: FlowNode, msg: object): void {
    const messages = this.#deliveries.get(node);
    const delivery = messages?.get(msg);
    if (messages === undefined || delivery === undefined) return;
    this.#movedAtMs = this.#options.clock.monotonicMs();
    this.#underWay--;
    delivery.count--;
    if (delivery.count === 0) this.#forget(node, messages, msg);
  }

  #forget(node: FlowNode, messages: Map<object, Delivery>, msg: object): void {
    this.#underWay -= messages.get(msg)?.count ?? 0;
    messages.delete(msg);
    if (messages.size === 0) this.#deliveries.delete(node);
  }

  #isCalm(begunMs: number): boolean {
    const nowMs = this.#options.clock.monotonicMs();
    const isQuiet = nowMs - this.#movedAtMs >= quietMs;
    for (const [node, messages] of this.#deliveries) {
      if (isQuiet && gatherers.has(node.type)) continue;
      if (this.#isWaitedFor(node, messages, begunMs, nowMs)) return false;
    }
    return true;
  }

  #isWaitedFor(node: FlowNode, messages: Map<object, Delivery>, begunMs: number, nowMs: number): boolean {
    const { stuckMs } = this.#options.limits;
    let hasFresh = false;
    for (const { sinceMs } of messages.values()) {
      // A node that has never called `done`, and has not for that one either, forgets to.
      if (nowMs - sinceMs >= stuckMs && !this.#completing.has(node.id)) return false;
      if (begunMs - sinceMs < stuckMs) hasFresh = true;
    }
    return hasFresh;
  }

  /** What it has had for long it does not handle any more. */
  #isHandling(node: FlowNode): boolean {
    const sinceMs = this.#options.clock.monotonicMs() - this.#options.limits.stuckMs;
    for (const delivery of this.#deliveries.get(node)?.values() ?? []) if (delivery.sinceMs > sinceMs) return true;
    return false;
  }

  #hold(source: FlowNode, events: readonly SendEvent[]): void {
    const { maxHeld, maxHeldBytes } = this.#options.limits;
    const outputs = outputsOf(events);
    const bytes = sizeOf(outputs);
    if (this.#held.length >= maxHeld || this.#heldBytes + bytes > maxHeldBytes) {
      this.#dropped++;
      this.#overflow++;
      return;
    }
    const label = `${source.type} ${source.name ?? source.id}`;
    this.#held.push({ id: source.id, label, outputs, bytes });
    this.#heldBytes += bytes;
    this.#heldTotal++;
  }

  async #sendHeld(): Promise<void> {
    for (const node of [...this.#deliveries.keys()]) {
      if (this.#options.nodeOf(node.id) !== node) this.#forgetAll(node);
    }
    const lost = new Map<string, number>();
    // What sources send meanwhile joins the end of the row.
    for (let sent = 1; this.#held.length > 0; sent++) {
      const { id, label, outputs, bytes } = this.#held.shift()!;
      this.#heldBytes -= bytes;
      if (!this.#pass(id, outputs)) lost.set(label, (lost.get(label) ?? 0) + 1);
      if (sent % releaseBatch === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    this.#isHolding = false;
    for (const [label, count] of lost) {
      this.#dropped += count;
      this.#options.warn(`${count} messages of ${label} are lost: the node is not in the new flow`);
    }
    if (this.#overflow > 0) this.#options.warn(`${this.#overflow} messages of sources were too many to be held`);
    this.#overflow = 0;
  }

  #pass(id: string, outputs: unknown[][]): boolean {
    const node = this.#options.nodeOf(id);
    if (typeof node?.send !== 'function') return false;
    // A node that is not waited for may have a delivery of its own; the hook must let this one through in any case.
    this.#isPassing = true;
    try {
      node.send(outputs);
    } finally {
      this.#isPassing = false;
    }
    return true;
  }

  #forgetAll(node: FlowNode): void {
    for (const { count } of this.#deliveries.get(node)?.values() ?? []) this.#underWay -= count;
    this.#deliveries.delete(node);
  }
}

/** The same rule by which Node-RED decides whose `done` it waits for. */
function expectsDone(node: FlowNode): boolean {
  if (node._inputCallback) return node._inputCallback.length === 3;
  return Boolean(node._inputCallbacks) && (node._expectedDoneCount ?? 0) > 0;
}

/** What the node gave to `send`: the messages of each output once, however many wires leave it. */
function outputsOf(events: readonly SendEvent[]): unknown[][] {
  const outputs: SendEvent[][] = [];
  for (const event of events) {
    while (outputs.length <= event.source.port) outputs.push([]);
    outputs[event.source.port]!.push(event);
  }
  // Wire by wire; outputs of a subflow may make two wires to one node.
  return outputs.map((ofPort, port) => {
    const wires =
      ofPort[0]?.source.node.wires?.[port]?.length ?? new Set(ofPort.map((each) => each.destination.id)).size;
    return ofPort.slice(0, ofPort.length / Math.max(1, wires)).map(({ msg }) => msg);
  });
}

function sizeOf(outputs: unknown[][]): number {
  try {
    return serialize(outputs).length;
  } catch {
    return unmeasuredBytes;
  }
}
