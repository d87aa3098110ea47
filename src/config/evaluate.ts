import type { Mistakes } from './mistakes.ts';
import { nearest } from './nearest.ts';
import { type Located, parseSource, plain } from './source.ts';
import {
  type Entry,
  type Field,
  type Group,
  type GroupList,
  type ReadContext,
  Refusal,
  variableName,
} from './table.ts';

// biome-ignore lint/suspicious/noExplicitAny: here the table is walked as data; its types were settled in schema.ts
type Any = any;

/** Where a key was given, for mistakes that are found later by comparing keys. */
export interface Origin {
  readonly line?: number;
  readonly variable?: string;
}

/** What the walk over the table needs and finds. */
export interface Evaluation {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly context: ReadContext;
  readonly mistakes: Mistakes;
  /** Every key that was given, with dots. */
  readonly origins: Map<string, Origin>;
}

/** Fills in an entry from the environment, the file and the default, in this order; undefined after a mistake. */
export function evaluate(
  entry: Entry,
  given: Located | undefined,
  path: readonly string[],
  state: Evaluation,
): unknown {
  if (entry.kind === 'field') return evaluateField(entry, given, path, state);
  if (entry.kind === 'list') return evaluateList(entry, given, path, state);
  return evaluateGroup(entry, given, path, state);
}

function evaluateGroup(
  group: Group<Any, boolean>,
  given: Located | undefined,
  path: readonly string[],
  state: Evaluation,
) {
  if (group.optional && !given && !anyVariable(group, path, state.environment)) return undefined;
  const key = path.join('.') || undefined;
  let entries: ReadonlyMap<string, Located> = new Map();
  if (given?.kind === 'map') entries = given.entries;
  else if (given) state.mistakes.add({ line: given.line, key, problem: `keys are expected here: ${names(group)}` });
  if (given && key) state.origins.set(key, { line: given.line });
  for (const [name, value] of entries) {
    if (Object.hasOwn(group.keys, name)) continue;
    const near = nearest(name, Object.keys(group.keys));
    const hint = near ? `did you mean ${near}? ` : '';
    state.mistakes.add({
      line: value.line,
      key: [...path, name].join('.'),
      problem: `there is no such key; ${hint}${hint ? 'Allowed' : 'allowed'} here: ${names(group)}`,
    });
  }
  const values: Record<string, unknown> = {};
  for (const [name, entry] of Object.entries<Entry>(group.keys)) {
    const value = evaluate(entry, entries.get(name), [...path, name], state);
    values[(entry.kind === 'field' && entry.as) || name] = value;
  }
  return Object.freeze(values);
}

function evaluateList(list: GroupList<Any>, given: Located | undefined, path: readonly string[], state: Evaluation) {
  const variable = variableName(path);
  const text = state.environment[variable];
  const key = path.join('.');
  let source = given;
  let itemState = state;
  if (text) {
    // No list of groups fits between commas, so its variable holds what the file would: YAML in one line.
    const mistakes = prefixed(state.mistakes, variable);
    source = parseSource(text, mistakes);
    itemState = { ...state, mistakes, environment: {} };
  }
  if (!source) return Object.freeze([]);
  state.origins.set(key, text ? { variable } : { line: source.line });
  if (source.kind !== 'list') {
    itemState.mistakes.add({
      line: source.line,
      key,
      problem: `a list is expected; each entry has ${names(list.item)}`,
    });
    return Object.freeze([]);
  }
  // Single entries have no variables of their own: their number would decide which entry is meant.
  const inside = { ...itemState, environment: {} };
  return Object.freeze(
    source.items.map((item, index) => evaluateGroup(list.item, item, [...path, `${index}`], inside)),
  );
}

function evaluateField(
  field: Field<unknown, string | undefined>,
  given: Located | undefined,
  path: readonly string[],
  state: Evaluation,
) {
  const { reader } = field;
  const key = path.join('.');
  const variable = variableName(path);
  const text = state.environment[variable];
  const origin: Origin = text ? { variable } : given ? { line: given.line } : {};
  if (text || given) state.origins.set(key, origin);
  else if (field.presence === 'optional') return undefined;
  else if (field.presence === 'required') {
    const group = state.origins.get(path.slice(0, -1).join('.'));
    state.mistakes.add({ ...group, key, problem: `is missing; allowed: ${reader.allowed}` });
    return undefined;
  }
  const raw = text ? reader.fromText(text) : given ? plain(given) : field.fallback;
  try {
    return reader.read(raw, state.context);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const shown = reader.secret ? 'the value' : (JSON.stringify(raw) ?? String(raw));
    const why = error.message === '' ? `${shown} is not allowed` : error.message;
    state.mistakes.add({ ...origin, key, problem: `${why}; allowed: ${reader.allowed}` });
    return undefined;
  }
}

/** The variables that override keys of an entry. */
export function variablesOf(entry: Entry, path: readonly string[] = []): string[] {
  if (entry.kind !== 'group') return [variableName(path)];
  return Object.entries<Entry>(entry.keys).flatMap(([name, child]) => variablesOf(child, [...path, name]));
}

function anyVariable(entry: Entry, path: readonly string[], environment: Evaluation['environment']): boolean {
  return variablesOf(entry, path).some((variable) => environment[variable]);
}

function names(group: Group<Any, boolean>): string {
  return Object.keys(group.keys).join(', ');
}

function prefixed(mistakes: Mistakes, variable: string): Mistakes {
  return { add: (mistake: object) => mistakes.add({ ...mistake, line: undefined, variable } as never) } as Mistakes;
}
