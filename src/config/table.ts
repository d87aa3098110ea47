/**
 * The vocabulary in which the configuration is described: fields, groups of fields and lists of groups. One table
 * (`schema.ts`) is validation, TypeScript type, names of the environment variables and reference page at once, so the
 * four cannot differ.
 */

/** Reads one value of the file. `allowed` is what a mistake and the reference say. */
export interface Reader<T> {
  readonly allowed: string;
  /** Throws `Refusal` when the value is not allowed. */
  read(raw: unknown, context: ReadContext): T;
  /** Turns the text of an environment variable into what the file would have held. */
  fromText(text: string): unknown;
  /** True when the value must never be printed. */
  readonly secret?: boolean;
}

/** What a reader needs to know besides the value. */
export interface ReadContext {
  /** The folder that relative paths start from. */
  readonly folder: string;
}

/** Why a value is not allowed, where "is not allowed" would not be enough. */
export class Refusal extends Error {}

/** One value. `as` is its name in the typed object when that carries a unit which the file's key does not. */
export interface Field<T, As extends string | undefined> {
  readonly kind: 'field';
  readonly reader: Reader<T>;
  readonly description: string;
  readonly presence: 'default' | 'optional' | 'required';
  /** As it would be written in the file. */
  readonly fallback: unknown;
  readonly as: As;
}

/** A value that is undefined unless given. */
export interface OptionalField<T, As extends string | undefined> extends Field<T, As> {
  readonly presence: 'optional';
}

/** Named values. An optional group is undefined until one of its keys is given. */
export interface Group<Keys extends Table, Optional extends boolean = false> {
  readonly kind: 'group';
  readonly description: string;
  readonly keys: Keys;
  readonly optional: Optional;
}

/** A list of groups. */
export interface GroupList<Keys extends Table> {
  readonly kind: 'list';
  readonly description: string;
  readonly item: Group<Keys>;
}

// biome-ignore lint/suspicious/noExplicitAny: the constraint has to admit every field, whatever its type and name
export type Entry = Field<any, any> | Group<any, boolean> | GroupList<any>;
export interface Table {
  readonly [key: string]: Entry;
}

type NameOf<E, Key extends string> = E extends { kind: 'field'; as: infer As extends string } ? As : Key;

/** The typed, normalized value of an entry. */
export type ValueOf<E> =
  E extends OptionalField<infer T, string | undefined>
    ? T | undefined
    : E extends Field<infer T, string | undefined>
      ? T
      : E extends Group<infer Keys, infer Optional>
        ? ValuesOf<Keys> | (Optional extends true ? undefined : never)
        : E extends GroupList<infer Keys>
          ? readonly ValuesOf<Keys>[]
          : never;

/** The typed, normalized values of a table, under their names with units. */
export type ValuesOf<Keys> = {
  readonly [Key in keyof Keys & string as NameOf<Keys[Key], Key>]: ValueOf<Keys[Key]>;
};

interface Facts {
  readonly description: string;
}

/** A value that is `fallback` (written as in the file) unless given. */
export function field<T>(reader: Reader<T>, fallback: unknown, facts: Facts): Field<T, undefined>;
export function field<T, const As extends string>(
  reader: Reader<T>,
  fallback: unknown,
  facts: Facts & { readonly as: As },
): Field<T, As>;
export function field(
  reader: Reader<unknown>,
  fallback: unknown,
  { description, as }: Facts & { readonly as?: string },
): Field<unknown, string | undefined> {
  return { kind: 'field', reader, presence: 'default', fallback, description, as };
}

/** A value that is undefined unless given. */
export function optional<T>(reader: Reader<T>, { description }: Facts): OptionalField<T, undefined> {
  return { kind: 'field', reader, presence: 'optional', fallback: undefined, description, as: undefined };
}

/** A value that must be given wherever its group is. */
export function required<T>(reader: Reader<T>, { description }: Facts): Field<T, undefined> {
  return { kind: 'field', reader, presence: 'required', fallback: undefined, description, as: undefined };
}

/** Keys that belong together. */
export function group<Keys extends Table>(description: string, keys: Keys): Group<Keys> {
  return { kind: 'group', description, keys, optional: false };
}

/** Keys that belong together and may be absent as a whole. */
export function optionalGroup<Keys extends Table>(description: string, keys: Keys): Group<Keys, true> {
  return { kind: 'group', description, keys, optional: true };
}

/** Any number of groups, none by default. */
export function groupList<Keys extends Table>(description: string, keys: Keys): GroupList<Keys> {
  return { kind: 'list', description, item: group('', keys) };
}

/** The environment variable that overrides a key: `http.alsoListen` → `HOLDFAST_HTTP_ALSO_LISTEN`. */
export function variableName(path: readonly string[]): string {
  const parts = path.map((part) => part.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase());
  return ['HOLDFAST', ...parts].join('_');
}
