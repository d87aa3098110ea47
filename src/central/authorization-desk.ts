/**
 * Answers authorization queries: may this machine print? (contracts/machines.md, 'Replies' and 'Centre')
 *
 * The query's five fields are compared with the newest base information (`MachineRegistry`), then the authorization's
 * end with the time here. An answer to a gateway also carries the terms, signed for that gateway alone.
 *
 * Invariants: a query and its answer are in `device_auth_log` before the answer goes out. The gateway is noted before the
 * authorization is read, so that a later change finds it. Nothing is stored in `device_info.device_auth`; what is
 * malformed is kept in `device_info.rejected`, as of every channel.
 * Failure behaviour: while the database is away nobody is answered (a gateway's lease answers there); the query is tried
 * again until it is `answerWithinMs` old, then dropped: a late grant must not lie in a queue until the machine asks next.
 */

import type { MachineRegistry } from '../documents/index.ts';
import { describeError } from '../errors.ts';
import type { Clock, Logger, SiteTime } from '../platform/index.ts';
import {
  type Grant,
  grantFields,
  type Identity,
  isSerial,
  parseBody,
  queryLifetimeMs,
  type ReplyWriter,
  readIdentity,
  readReply,
  sameIdentity,
  signGrant,
  type TextId,
  type Validation,
  validateAuthorizationQuery,
} from '../protocols/machines/index.ts';
import type { DocumentStore, NewDocument, StoredDocument } from '../store/index.ts';
import { logAnswers } from './authorization-log.ts';
import { type AuthorizationRecord, readRecords } from './authorization-record.ts';
import type { Gateways } from './gateways.ts';
import type { Answer, Arrival } from './ingest.ts';
import type { CentralCounters } from './metrics.ts';
import { documentId, maxBodyBytes, rejectedCollection, rejection } from './rejection.ts';
import type { SigningKey } from './signing-key.ts';

/** What the desk is made of. */
export interface AuthorizationDeskOptions {
  readonly store: DocumentStore;
  readonly registry: Pick<MachineRegistry, 'read'>;
  readonly gateways: Pick<Gateways, 'note'>;
  readonly key: SigningKey;
  readonly siteTime: SiteTime;
  readonly replies: ReplyWriter;
  readonly counters: CentralCounters;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How old a query is answered at most, in ms from its arrival here. */
  readonly answerWithinMs?: number;
}

interface Question {
  readonly arrival: Arrival;
  readonly validation: Validation;
  /** undefined for what is malformed. */
  readonly identity: Identity | undefined;
  /** undefined from a machine that talks to the centre directly. */
  readonly gateway: string | undefined;
}

interface Decision {
  /** undefined: granted. */
  readonly text: TextId | undefined;
  readonly grant: Grant | undefined;
}

const tooLarge: Validation = { ok: false, serial: undefined, state: undefined, reason: 'wrong-type', key: undefined };

export class AuthorizationDesk {
  readonly #options: AuthorizationDeskOptions;

  constructor(options: AuthorizationDeskOptions) {
    this.#options = options;
  }

  /** Answers queries, in their order; an answer without a body is not given. Rejects with `database-unreachable`. */
  async take(arrivals: readonly Arrival[]): Promise<Answer[]> {
    const { clock, counters, answerWithinMs = queryLifetimeMs } = this.#options;
    const oldestMs = clock.wallMs() - answerWithinMs;
    const questions = arrivals.map(read);
    const answers = new Map<Question, Answer>();
    const fresh = questions.filter(({ arrival }) => arrival.receivedMs >= oldestMs);
    if (fresh.length > 0) await this.#answer(fresh, answers);
    return questions.map((question) => {
      const answer = answers.get(question);
      if (answer === undefined) counters.dropped++;
      else if (answer.outcome === 'granted') counters.granted++;
      else counters.refused++;
      return answer ?? { outcome: 'dropped', serial: question.validation.serial, body: undefined };
    });
  }

  async #answer(questions: readonly Question[], answers: Map<Question, Answer>): Promise<void> {
    const { store, registry, gateways, siteTime, replies, clock } = this.#options;
    const known = questions.filter(({ identity }) => identity !== undefined);
    const serials = [...new Set(known.map(({ identity }) => identity!.serial))];
    const [machines] = await Promise.all([
      registry.read(serials),
      gateways.note(
        questions.map(({ arrival, identity }) => ({
          gateway: arrival.gateway,
          via: arrival.via,
          serial: identity?.serial,
        })),
      ),
    ]);
    const records = await readRecords(store, serials, siteTime);
    const nowMs = clock.wallMs();
    const time = siteTime.format(nowMs);
    const replied = questions.map((question) => {
      const { serial } = question.validation;
      const decision = this.#decide(question, machines.get(serial ?? ''), records.get(serial ?? ''), nowMs, time);
      const { text, grant } = decision;
      const reply = replies.authorization({ serial, text, time, withCode: question.gateway !== undefined });
      return { serial, isGranted: text === undefined, reply, grant };
    });
    await logAnswers(
      store,
      questions.map(({ arrival, gateway }, index) => ({
        serial: replied[index]!.serial,
        gateway,
        messageId: arrival.messageId,
        granted: replied[index]!.isGranted,
        error: readReply(replied[index]!.reply)?.error ?? '',
        receivedMs: arrival.receivedMs,
        answeredMs: nowMs,
      })),
      (wallMs) => siteTime.format(wallMs),
    );
    const malformed = questions.filter(({ identity }) => identity === undefined).map(kept);
    if (malformed.length > 0) await store.insertBatch(rejectedCollection, malformed);
    for (const [index, question] of questions.entries()) {
      const { serial, isGranted, reply, grant } = replied[index]!;
      const body = grant === undefined ? reply : withFields(reply, grantFields(grant));
      answers.set(question, { outcome: isGranted ? 'granted' : 'refused', serial, body });
    }
  }

  #decide(
    { identity, gateway }: Question,
    machine: StoredDocument | undefined,
    record: AuthorizationRecord | undefined,
    nowMs: number,
    time: string,
  ): Decision {
    if (identity === undefined) return { text: 'malformed', grant: undefined };
    const base = machine && readIdentity({ ...machine });
    if (base === undefined || !sameIdentity(identity, base)) return { text: 'identity-mismatch', grant: undefined };
    if (record === undefined) return { text: 'not-authorized', grant: undefined };
    const text = record.untilMs > nowMs ? undefined : 'not-authorized';
    if (gateway === undefined) return { text, grant: undefined };
    const { until, version } = record;
    return { text, grant: this.#sign({ identity, until, grantedAt: time, version }, gateway) };
  }

  #sign(terms: Omit<Grant, 'signature'>, gateway: string): Grant | undefined {
    try {
      return signGrant(terms, gateway, this.#options.key.privateKey);
    } catch (error) {
      // 授权截止时间 of a record that another program has made; the answer stands without terms, as from such a centre.
      this.#options.logger.warn({ gateway, error: describeError(error) }, 'the terms of a grant cannot be signed');
      return undefined;
    }
  }
}

function read(arrival: Arrival): Question {
  const { body } = arrival;
  const validation = body.length > maxBodyBytes ? tooLarge : validateAuthorizationQuery(body);
  const fields = validation.ok ? parseBody(body) : undefined;
  const identity = typeof fields === 'object' ? readIdentity(fields) : undefined;
  // The signed text has a field in each line.
  const usable = identity !== undefined && !Object.values(identity).some((value) => value.includes('\n'));
  const gateway = arrival.via !== undefined && isSerial(arrival.gateway) ? arrival.gateway : undefined;
  return { arrival, validation, identity: usable ? identity : undefined, gateway };
}

/** What is kept of a malformed query; one that is well formed but for a line feed has that as its reason. */
function kept({ arrival, validation }: Question): NewDocument {
  const reason = validation.ok ? 'line-feed' : validation.reason;
  return rejection(arrival, documentId(arrival), reason, validation.ok ? undefined : validation.key, validation.serial);
}

/** A reply with more keys after its own. */
function withFields(reply: Buffer, fields: Readonly<Record<string, unknown>>): Buffer {
  return Buffer.concat([reply.subarray(0, -1), Buffer.from(`,${JSON.stringify(fields).slice(1)}`)]);
}
