import type { Clock } from '../../platform/clock.ts';
import type { News, Order, Question } from '../protocol.ts';

const answerTimeoutMs = 5000;
const maxOpen = 200;

/** The gateway, as the child speaks with it over IPC. */
export class Parent {
  readonly #clock: Clock;
  readonly #open = new Map<number, (answer: unknown) => void>();
  #lastId = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  tell(news: News): void {
    // Between the gateway's end and `disconnect` a send fails; nobody is left to be told.
    if (process.connected) process.send!(news, undefined, undefined, () => {});
  }

  /** The gateway's answer, or undefined when there was none in time: whoever asks then refuses. */
  ask(question: Question): Promise<unknown> {
    if (this.#open.size >= maxOpen) return Promise.resolve(undefined);
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      const timer = this.#clock.after(answerTimeoutMs, () => settle(undefined));
      const settle = (answer: unknown) => {
        timer.cancel();
        this.#open.delete(id);
        resolve(answer);
      };
      this.#open.set(id, settle);
      this.tell({ kind: 'ask', id, question });
    });
  }

  /** Takes an order that is an answer. */
  take(order: Extract<Order, { kind: 'answer' }>): void {
    this.#open.get(order.id)?.(order.answer);
  }
}
