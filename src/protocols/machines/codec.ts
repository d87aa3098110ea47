import { type JsonObject, parseBody } from './parse.ts';
import { type FieldTable, levels, type MessageKind, type Messages, messageFields, states } from './wire.ts';

const stateNames = new Map<string, string>(Object.entries(states).map(([name, { word }]) => [word, name]));
const levelNames = new Map<string, string>(Object.entries(levels).map(([name, word]) => [word, name]));

/** Writes a message as the seed does: its keys in the table's order, quantities as strings, JSON in UTF-8. */
export function encodeMessage<Kind extends MessageKind>(kind: Kind, message: Messages[Kind]): Buffer {
  const body: JsonObject = {};
  const values: Readonly<Record<string, unknown>> = { ...message };
  for (const [name, field] of Object.entries<FieldTable[string]>(messageFields[kind])) {
    const value = values[name];
    if (value !== undefined) body[field.key] = String(toWire(name, value));
  }
  return Buffer.from(JSON.stringify(body));
}

/**
 * Reads a message that `validateReport` has accepted into its domain type; keys that are not of its kind are left out.
 * undefined for what is not a JSON object.
 */
export function decodeMessage<Kind extends MessageKind>(kind: Kind, payload: Uint8Array): Messages[Kind] | undefined {
  const body = parseBody(payload);
  if (typeof body === 'string') return undefined;
  const message: Record<string, unknown> = {};
  for (const [name, field] of Object.entries<FieldTable[string]>(messageFields[kind])) {
    const value = body[field.key];
    if (value === undefined || value === null) continue;
    const isNumber = field.kind === 'quantity' || field.kind === 'signed';
    message[name] = isNumber ? Number(value) : fromWire(name, String(value));
  }
  return message as unknown as Messages[Kind];
}

function toWire(name: string, value: unknown): unknown {
  if (name === 'state' && Object.hasOwn(states, String(value))) return states[value as keyof typeof states].word;
  if (name === 'level' && Object.hasOwn(levels, String(value))) return levels[value as keyof typeof levels];
  return value;
}

function fromWire(name: string, value: string): string {
  if (name === 'state') return stateNames.get(value) ?? value;
  if (name === 'level') return levelNames.get(value) ?? value;
  return value;
}
