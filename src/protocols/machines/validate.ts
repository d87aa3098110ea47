/**
 * Is this body a report that the centre will take? Runs for every report, on a small computer.
 *
 * Invariants: nothing is changed, the body is forwarded byte for byte; the outcome depends on channel and body alone,
 * so gateway and centre agree; an unknown word of an enum is accepted, since a newer machine must not lose data.
 * Failure behaviour: never throws. A refusal names its reason, the key it is about and, when it could be read, the
 * 序列号 that the refusal is answered to.
 *
 * Cost: one decoding, one JSON.parse, one look at each key, one lookup per rule. Rules are compiled once per kind of
 * message and state.
 */
import type { MachineChannel } from './channels.ts';
import { type JsonObject, type ParseFault, parseBody } from './parse.ts';
import { isQuantity, isSerial, isTime } from './values.ts';
import {
  authorizationFields,
  baseFields,
  errorFields,
  type Field,
  type FieldKind,
  gatewayKey,
  levels,
  processFields,
  states,
} from './wire.ts';

/** Why a report was refused; the `reason` label of `holdfast_reports_refused_total`. */
export type RefusalReason = ParseFault | 'missing-key' | 'wrong-type' | 'bad-serial';

/** The outcome of a validation. */
export type Validation =
  | {
      readonly ok: true;
      /** 序列号; on the gateway's own channels the gateway's id. */
      readonly serial: string;
      /** 设备状态 as received, on the process channel. */
      readonly state: string | undefined;
      /** The enum that a word was unknown of. */
      readonly unknownWord: 'state' | 'level' | undefined;
    }
  | {
      readonly ok: false;
      /** The 序列号, when it is usable; the refusal is answered to it. */
      readonly serial: string | undefined;
      /** 设备状态, when the body has one: the answer repeats it. */
      readonly state: string | undefined;
      readonly reason: RefusalReason;
      /** The key that is missing or wrong. */
      readonly key: string | undefined;
    };

interface Rule {
  readonly key: string;
  readonly kind: FieldKind;
  readonly required: boolean;
}

const compile = (fields: Iterable<Field>): Rule[] => [...fields].filter(({ kind }) => kind !== 'serial');

const rules = {
  base: compile(Object.values(baseFields)),
  // Which of its fields are checked depends on the state; a key of another state is only kept.
  process: compile(Object.values(processFields).filter(({ required }) => required)),
  error: compile(Object.values(errorFields)),
  authorization: compile(Object.values(authorizationFields)),
  gateway: [],
  extra: [],
} satisfies Record<MachineChannel['kind'], Rule[]>;

const stateRules = new Map<string, readonly Rule[]>();
for (const state of Object.values(states)) {
  const needs = 'needs' in state ? state.needs.map((name) => ({ ...processFields[name], required: true })) : [];
  const allows = 'allows' in state ? state.allows.map((name) => processFields[name]) : [];
  stateRules.set(state.word, compile([...needs, ...allows]));
}
const levelWords: ReadonlySet<unknown> = new Set(Object.values(levels));

const serialKey = baseFields.serial.key;
const stateKey = processFields.state.key;
const levelKey = errorFields.level.key;

/**
 * Checks a body against the contract of its channel. The gateway's own channels take any JSON object that names its
 * `gateway`; those of the configuration any JSON object with a 序列号, because order, access and answer hang on it.
 */
export function validateReport(channel: MachineChannel, payload: Uint8Array): Validation {
  const body = parseBody(payload);
  if (typeof body === 'string') return refusal(undefined, undefined, body, undefined);
  const nameKey = channel.owner === 'gateway' ? gatewayKey : serialKey;
  const serial = body[nameKey];
  const state = channel.kind === 'process' ? body[stateKey] : undefined;
  const word = typeof state === 'string' ? state : undefined;
  if (!isSerial(serial)) {
    return refusal(undefined, word, serial === undefined ? 'missing-key' : 'bad-serial', nameKey);
  }
  const wrong = firstWrong(rules[channel.kind], body);
  if (wrong !== undefined)
    return refusal(serial, word, body[wrong] === undefined ? 'missing-key' : 'wrong-type', wrong);
  let unknownWord: 'state' | 'level' | undefined;
  if (word !== undefined) {
    const more = stateRules.get(word);
    if (more === undefined) unknownWord = 'state';
    else {
      const missing = firstWrong(more, body);
      if (missing !== undefined) {
        return refusal(serial, word, body[missing] === undefined ? 'missing-key' : 'wrong-type', missing);
      }
    }
  } else if (channel.kind === 'error' && !levelWords.has(body[levelKey])) unknownWord = 'level';
  return { ok: true, serial, state: word, unknownWord };
}

/** Checks an authorization query: the five fields of the identity, and 查询授权 "1". */
export function validateAuthorizationQuery(payload: Uint8Array): Validation {
  return validateReport(authorizationQuery, payload);
}

const authorizationQuery = { owner: 'machine', kind: 'authorization' } as MachineChannel;

const refusal = (
  serial: string | undefined,
  state: string | undefined,
  reason: RefusalReason,
  key: string | undefined,
): Validation => ({ ok: false, serial, state, reason, key });

function firstWrong(checks: readonly Rule[], body: JsonObject): string | undefined {
  for (let index = 0; index < checks.length; index++) {
    const rule = checks[index]!;
    const value = body[rule.key];
    if (!rule.required && (value === undefined || value === null)) continue;
    if (!fits(rule, value)) return rule.key;
  }
  return undefined;
}

function fits(rule: Rule, value: unknown): boolean {
  switch (rule.kind) {
    case 'text':
      return typeof value === 'string' && (value !== '' || !rule.required);
    case 'time':
      return isTime(value);
    case 'quantity':
      return isQuantity(value, false);
    case 'signed':
      return isQuantity(value, true);
    case 'asked':
      return value === '1' || value === 1;
    case 'serial':
      return isSerial(value);
  }
}
