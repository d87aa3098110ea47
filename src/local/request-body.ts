/** A request that is not as the contract has it; the text is for whoever wired the flow. */
export class MalformedRequest extends Error {}

/** The body of `report/<id>`: the channel, and the report byte for byte as it stands in the request. */
export function readReport(payload: Buffer): { readonly channel: string; readonly body: Buffer } {
  const text = decode(payload);
  const { channel, body } = readObject(text);
  if (typeof channel !== 'string' || channel === '') throw new MalformedRequest('"channel" has to be a text');
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new MalformedRequest('"body" has to be an object');
  }
  return { channel, body: Buffer.from(memberText(text, 'body')) };
}

/** The body of `query/<id>`: a path and its parameters, as texts. */
export function readQuery(payload: Buffer): { readonly path: string; readonly parameters: Map<string, string> } {
  const { path, query = {} } = readObject(decode(payload));
  if (typeof path !== 'string') throw new MalformedRequest('"path" has to be a text');
  if (typeof query !== 'object' || query === null || Array.isArray(query)) {
    throw new MalformedRequest('"query" has to be an object of texts and numbers');
  }
  const parameters = new Map<string, string>();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null) continue;
    if (typeof value === 'object') throw new MalformedRequest(`"query.${name}" has to be a text or a number`);
    parameters.set(name, String(value));
  }
  return { path, parameters };
}

const decoder = new TextDecoder('utf-8', { fatal: true });

/** As for a machine's report: bytes that are not UTF-8 are refused, never replaced; a byte order mark is passed over. */
function decode(payload: Buffer): string {
  try {
    return decoder.decode(payload);
  } catch {
    throw new MalformedRequest('the message is not UTF-8');
  }
}

function readObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new MalformedRequest('the message is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MalformedRequest('the message has to be a JSON object');
  }
  return value as Record<string, unknown>;
}

/**
 * The text of a member of the outermost object, as it stands: a number of 20 digits must not lose any on its way through
 * JavaScript. `text` is valid JSON; of two members of one name the last counts, as for JSON.parse.
 */
function memberText(text: string, wanted: string): string {
  let found = '';
  let at = skipBlanks(text, text.indexOf('{') + 1);
  while (text[at] === '"') {
    const nameEnd = skipValue(text, at);
    const name = JSON.parse(text.slice(at, nameEnd)) as string;
    const start = skipBlanks(text, skipBlanks(text, nameEnd) + 1);
    const end = skipValue(text, start);
    if (name === wanted) found = text.slice(start, end);
    at = skipBlanks(text, end);
    if (text[at] === ',') at = skipBlanks(text, at + 1);
  }
  return found;
}

function skipBlanks(text: string, at: number): number {
  let next = at;
  while (text[next] === ' ' || text[next] === '\n' || text[next] === '\r' || text[next] === '\t') next++;
  return next;
}

/** Where the value that begins at `at` ends. */
function skipValue(text: string, at: number): number {
  let depth = 0;
  for (let next = at; next < text.length; next++) {
    const character = text[next];
    if (character === '"') {
      next++;
      while (text[next] !== '"') next += text[next] === '\\' ? 2 : 1;
      if (depth === 0) return next + 1;
    } else if (character === '{' || character === '[') depth++;
    else if (character === '}' || character === ']') {
      if (depth === 0) return next;
      depth--;
      if (depth === 0) return next + 1;
    } else if (depth === 0 && (character === ',' || character === ':' || /\s/.test(character!))) return next;
  }
  return text.length;
}
