/**
 * The parameters of a query, read from the URL as it came: names and values are texts and nothing else, so that no
 * `name[$gt]=` and no repeated name can become an object or a list on its way to the database.
 */

/** Parameters by name. */
export type Parameters = ReadonlyMap<string, string>;

/** More are not looked at; the longest query of the contract has seven. */
const maxParameters = 64;
/** ASCII and full-width double quotes, as the seed writes them around names and values. */
const quotes = new Set(['"', '＂', '“', '”']);

/** Reads what follows the `?` of a URL. Of two equal names the last counts; what cannot be decoded stays as it is. */
export function readParameters(url: string): Parameters {
  const parameters = new Map<string, string>();
  const start = url.indexOf('?');
  if (start < 0) return parameters;
  const end = url.indexOf('#', start);
  const parts = url.slice(start + 1, end < 0 ? undefined : end).split('&', maxParameters);
  for (const part of parts) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = equals < 0 ? part : part.slice(0, equals);
    const value = equals < 0 ? '' : part.slice(equals + 1);
    parameters.set(unquoted(decoded(name)), unquoted(decoded(value)));
  }
  return parameters;
}

/** The value of the first of these names that is given and not empty. */
export function textOf(parameters: Parameters, ...names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = parameters.get(name);
    if (value !== undefined && value !== '') return value;
  }
  return undefined;
}

/**
 * A whole number within bounds; `fallback` when it is not given, `invalid` when it is anything else. No sign but a minus,
 * no exponent, no white space.
 */
export function integerOf(
  parameters: Parameters,
  name: string,
  { least, most, fallback }: { least: number; most: number; fallback: number },
): number | 'invalid' {
  const text = textOf(parameters, name);
  if (text === undefined) return fallback;
  const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  return value >= least && value <= most ? value : 'invalid';
}

function decoded(text: string): string {
  const spaced = text.replaceAll('+', ' ');
  if (!spaced.includes('%')) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced;
  }
}

function unquoted(text: string): string {
  const isQuoted = text.length >= 2 && quotes.has(text[0]!) && quotes.has(text.at(-1)!);
  return isQuoted ? text.slice(1, -1) : text;
}
