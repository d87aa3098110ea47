/**
 * The door for flows: what Node-RED, on the box or elsewhere, reports, asks and reads (docs/nodes-protocol.md).
 *
 * Invariants: a request is acknowledged (PUBACK) only when a report is on disk, or when it will be answered; a report is
 * known by its client and id for 24 h, so that sending it again is harmless and is answered with what became of it; a
 * client asks what its `allow` names, for machines of its `serials`, and reads its own answers.
 * Failure behaviour: what is wrong with a request is answered under `failed`, counted, and kept as any refused message;
 * when the disk does not take a report, `accept` rejects and the connection ends without an acknowledgement. Answers wait
 * for absent clients within the broker's bounds; one that is lost is given again when the client asks again.
 */
import type { Account } from '../accounts/index.ts';
import type { Identity } from '../broker/index.ts';
import { describeError, isHoldfastError } from '../errors.ts';
import type { Intake, Permission } from '../intake/index.ts';
import { type Counters, countBy } from '../metrics.ts';
import type { Logger } from '../platform/index.ts';
import { authorizationChannel } from '../protocols/machines/index.ts';
import type { AskWithin } from '../protocols/machines/queries/index.ts';
import type { LogName, Spool } from '../spool/index.ts';
import { MalformedRequest, readQuery, readReport } from './request-body.ts';
import { type AnswerKind, idPattern, localTopic, parseFilter, parseRequest, type RequestKind } from './topics.ts';
import { Waiting } from './waiting.ts';

/** What the door is made of. */
export interface LocalDoorOptions {
  readonly intake: Intake;
  readonly spool: Pick<Spool, 'fateOf' | 'take'>;
  readonly ask: AskWithin;
  /** 授权截止时间 by the lease of a machine; undefined when there is none. */
  readonly leaseUntil: (serial: string) => string | undefined;
  /** Sends to whoever reads a topic. */
  readonly deliver: (topic: string, body: Buffer) => void;
  readonly counters: Counters;
  readonly logger: Logger;
}

/** A message of a client that is logged in, on a topic of flows. */
export interface LocalRequest {
  readonly topic: string;
  /** Used before `accept` returns, or copied. */
  readonly payload: Buffer;
  readonly identity: Identity;
}

type FailureCode = 'malformed' | 'forbidden' | 'quarantined' | 'evicted';
type Request = { readonly client: string; readonly id: string; readonly payload: Buffer; readonly identity: Identity };

const nothing = Buffer.from('{}');
/** More than an absent client's bounds would hold, and with it everything else that waits for it. */
const maxAnswerBytes = 4_194_304;
const maxTextLength = 300;
/** Reports that stand aside are found by a walk over all of those. */
const maxLookedForAside = 1000;

export class LocalDoor {
  readonly #options: LocalDoorOptions;
  readonly #waiting = new Waiting();
  readonly #handlers: Readonly<Record<RequestKind, (request: Request) => Promise<void>>> = {
    report: (request) => this.#report(request),
    authorize: (request) => this.#authorize(request),
    query: (request) => this.#query(request),
  };
  #sweeping: Promise<void> | undefined;
  #sweepAgain = false;

  constructor(options: LocalDoorOptions) {
    this.#options = options;
  }

  /** Whether somebody may read a topic, or what a filter stands for. */
  mayRead(identity: Identity, filter: string): boolean {
    const { allow, username } = identity;
    const wanted = parseFilter(filter);
    if (wanted === undefined || allow.size === 0) return false;
    if (wanted.kind === 'uplink') return true;
    if (wanted.kind === 'answers') return wanted.client === username;
    return allow.has('query') && identity.mayActFor(wanted.serial ?? '*');
  }

  /**
   * Takes a request. Resolves when it may be acknowledged, with whether it was one that this client may make at all.
   * Rejects as `Intake.accept` when a report could not be kept.
   */
  async accept({ topic, payload, identity }: LocalRequest): Promise<'taken' | 'forbidden'> {
    const parsed = parseRequest(topic);
    if (parsed === undefined || parsed.client !== identity.username || !idPattern.test(parsed.id)) return 'forbidden';
    const { client, kind, id } = parsed;
    countBy(this.#options.counters.localRequests, kind);
    if (!identity.allow.has(kind)) {
      this.#fail(client, id, 'forbidden', `mqtt.clients: ${client} has no "${kind}" in its "allow"`);
      return 'forbidden';
    }
    try {
      await this.#handlers[kind]({ client, id, payload, identity });
    } catch (error) {
      // Sent again it would never fit either.
      const isTooLarge = isHoldfastError(error) && error.code === 'spool-record-too-large';
      if (!(error instanceof MalformedRequest || isTooLarge)) throw error;
      this.#fail(client, id, 'malformed', error.message);
    }
    return 'taken';
  }

  /** Answers a request that the broker does not take, for a reason of its own. */
  refuse({ topic, identity }: Pick<LocalRequest, 'topic' | 'identity'>, text: string): void {
    const parsed = parseRequest(topic);
    if (parsed === undefined || parsed.client !== identity.username || !idPattern.test(parsed.id)) return;
    if (identity.allow.has(parsed.kind)) this.#fail(parsed.client, parsed.id, 'malformed', text);
  }

  /** The centre has a report of that name. */
  onDelivered(origin: string): void {
    this.#waiting.remove(origin);
    this.#answerOrigin(origin, 'delivered', nothing);
  }

  /** The centre refused a report of that name for good. */
  onQuarantined(origin: string): void {
    this.#waiting.remove(origin);
    this.#failOrigin(origin, 'quarantined');
  }

  /** Reports of a lane were given up for room: tells the clients whose reports were among them. */
  onEvicted(): void {
    this.#sweepAgain = true;
    this.#sweeping ??= this.#sweep()
      .catch((error: unknown) => {
        this.#options.logger.warn({ error: describeError(error) }, 'cannot tell flows which reports were given up');
      })
      .finally(() => {
        this.#sweeping = undefined;
      });
  }

  async #report({ client, id, payload, identity }: Request): Promise<void> {
    const { intake, counters } = this.#options;
    const { channel, body } = readReport(payload);
    if (channel === authorizationChannel) throw new MalformedRequest(`${channel} is asked under authorize/<id>`);
    const origin = `${client}/${id}`;
    const mayWrite = (serial: string) => identity.mayActFor(serial);
    const answer = await intake.accept({ channel, payload: body, transport: 'flow', origin, mayWrite });
    const { outcome, sequence } = answer;
    if (outcome === 'refused') throw new MalformedRequest(answer.reason ?? 'not a report of this channel');
    if (outcome === 'forbidden') {
      const what = intake.hasChannel(channel) ? 'this machine is not among its "serials"' : `no channel "${channel}"`;
      this.#fail(client, id, 'forbidden', `mqtt.clients: ${client}: ${what}`);
      return;
    }
    if (outcome === 'stored') this.#waiting.add(origin, channel, sequence!);
    else counters.localRepeated++;
    this.#answer(client, 'stored', id, Buffer.from(JSON.stringify({ sequence })));
    if (outcome === 'repeated' && !this.#waiting.has(origin)) await this.#tellFate(origin);
  }

  /** Resolves to false when there is nothing to tell yet. */
  async #tellFate(origin: string): Promise<boolean> {
    const known = await this.#options.spool.fateOf(origin);
    if (known?.fate === 'delivered') this.#answerOrigin(origin, 'delivered', nothing);
    else if (known?.fate === 'quarantined') this.#failOrigin(origin, 'quarantined');
    else if (known?.fate === 'given-up') this.#failOrigin(origin, 'evicted');
    return known?.fate !== 'waiting';
  }

  async #authorize({ client, id, payload, identity }: Request): Promise<void> {
    const mayWrite = (serial: string) => identity.mayActFor(serial);
    const delivery = { channel: authorizationChannel, payload: Buffer.from(payload), mayWrite };
    const answer = await this.#options.intake.accept({ ...delivery, transport: 'flow' });
    if (answer.outcome === 'forbidden') {
      this.#fail(client, id, 'forbidden', `mqtt.clients: ${client}: this machine is not among its "serials"`);
    } else if (answer.later === undefined) {
      throw new MalformedRequest(answer.reason ?? 'not a query for authorization');
    } else {
      // It may take half a minute; the query is acknowledged, and asked again it joins the first.
      void answer.later.then((reply) => {
        const permission = reply?.permission;
        if (permission !== undefined) this.#answer(client, 'authorized', id, this.#permissionBody(permission));
      });
    }
  }

  #permissionBody({ serial, granted, source, error }: Permission): Buffer {
    const until = granted ? (this.#options.leaseUntil(serial) ?? null) : null;
    return Buffer.from(JSON.stringify({ granted, error, source, until }));
  }

  async #query({ client, id, payload, identity }: Request): Promise<void> {
    const { path, parameters } = readQuery(payload);
    if (!identity.mayActFor('*')) {
      this.#fail(client, id, 'forbidden', `mqtt.clients: ${client} needs serials: ["*"] for queries`);
      return;
    }
    const answer = await this.#options.ask({ path, parameters, account: accountOf(client) });
    if (answer === 'no-such-path') throw new MalformedRequest(`there is no query under ${path.slice(0, 100)}`);
    const { status, body } = answer;
    if (body.length > maxAnswerBytes) {
      throw new MalformedRequest(`the answer has ${body.length} bytes, the most is ${maxAnswerBytes}: ask for less`);
    }
    this.#answer(client, 'answer', id, Buffer.concat([Buffer.from(`{"status":${status},"body":`), body, closing]));
  }

  async #sweep(): Promise<void> {
    while (this.#sweepAgain) {
      this.#sweepAgain = false;
      for (const reports of this.#waiting.channels()) await this.#sweepChannel(reports);
    }
  }

  async #sweepChannel(reports: ReadonlyMap<string, number>): Promise<void> {
    let aside = 0;
    for (const [origin, sequence] of reports) {
      const place = await this.#options.spool.take(sequence);
      // The oldest of a lane are given up first; what stands aside says nothing about the lane.
      if (place !== undefined && !isAside(place.log)) return;
      if (place !== undefined && ++aside > maxLookedForAside) return;
      if (place !== undefined || !this.#waiting.has(origin)) continue;
      if (await this.#tellFate(origin)) this.#waiting.remove(origin);
    }
  }

  #answer(client: string, kind: AnswerKind, id: string, body: Buffer): void {
    this.#options.deliver(localTopic(client, kind, id), body);
  }

  #answerOrigin(origin: string, kind: AnswerKind, body: Buffer): void {
    const slash = origin.indexOf('/');
    this.#answer(origin.slice(0, slash), kind, origin.slice(slash + 1), body);
  }

  #failOrigin(origin: string, code: 'quarantined' | 'evicted'): void {
    const slash = origin.indexOf('/');
    this.#fail(origin.slice(0, slash), origin.slice(slash + 1), code, failures[code]);
  }

  #fail(client: string, id: string, code: FailureCode, text: string): void {
    countBy(this.#options.counters.localFailed, code);
    this.#answer(client, 'failed', id, Buffer.from(JSON.stringify({ code, text: text.slice(0, maxTextLength) })));
  }
}

const closing = Buffer.from('}');

const isAside = (log: LogName): boolean => log === 'deferred' || log === 'quarantine';

const failures = {
  quarantined: 'the centre does not take this report; it is kept on the box: holdfast spool list quarantine',
  evicted: 'given up: the lane was full and gives up its oldest reports (whenFull: dropOldest), or the disk lost it',
};

/** A flow reads all that is on the box; what may be changed is not for it. */
const accountOf = (client: string): Account => ({
  name: `flow ${client}`,
  customers: ['*'],
  role: 'viewer',
  createdAt: '',
  updatedAt: '',
  origin: 'local',
});
