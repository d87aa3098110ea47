import type { Permission } from '../intake/index.ts';
import type { Timer } from '../platform/index.ts';
import type { Identity, TextId } from '../protocols/machines/index.ts';
import type { Try } from './decision.ts';
import type { AnswerSource } from './records.ts';

/** What a machine is answered. */
export interface Answer {
  readonly granted: boolean;
  readonly source: AnswerSource;
  /** Id of the text when it is not granted; undefined for words of the centre's own. */
  readonly text: TextId | undefined;
  readonly said: string | undefined;
}

/** A reply in the machine's words, and the topic for it. */
export interface AuthorizationAnswer {
  readonly topic: string;
  readonly body: Buffer;
  /** The same for those who do not read the machine's words. */
  readonly permission: Permission;
}

/** Somebody who waits for the answer. */
export interface Waiter {
  /** Those who read the answer from the machine's topic share one: a second would be taken for the next answer. */
  readonly isShared: boolean;
  resolve(answer: AuthorizationAnswer | undefined): void;
}

/** A try of a question, as it goes on. */
export interface Attempt extends Try {
  state: Try['state'];
  atMs: number;
  messageId: string | undefined;
  /** Base information of the machine was not receipted when it was sent. */
  isBaseWaiting: boolean;
}

/** One question of a machine, from its first query to its answer; queries about the same identity join it. */
export interface Asking {
  readonly identity: Identity;
  /** The first query, byte for byte. */
  readonly payload: Buffer;
  /** Monotonic ms. */
  readonly sinceMs: number;
  readonly waiters: Waiter[];
  tries: number;
  current: Attempt | undefined;
  /** After an answer that decided nothing: one more query may decide it. */
  mayRepeat: boolean;
  /** What the centre said without deciding. */
  undecided: Answer | undefined;
  /** An answer of the centre is being put on disk. */
  isDeciding: boolean;
  isSettled: boolean;
  timer: Timer | undefined;
}

/** A question that has just come. `payload` is kept. */
export const newAsking = (identity: Identity, payload: Buffer, sinceMs: number): Asking => ({
  identity,
  payload,
  sinceMs,
  waiters: [],
  tries: 0,
  current: undefined,
  mayRepeat: true,
  undecided: undefined,
  isDeciding: false,
  isSettled: false,
  timer: undefined,
});
