import type { LogLine } from '../protocol.ts';
import type { NodeRedLogLine } from './node-red.ts';

const audit = 98;
/** Of what people do in the editor, what changes the box. */
const changes = /^(flows\.set|flow\.(add|update|remove)|nodes\.(install|remove|module\.set|info\.set)|library\.set)$/;

/** A line of Node-RED as one for the gateway's log; undefined when it is not worth one. */
export function logLine(line: NodeRedLogLine): LogLine | undefined {
  if (line.level === audit) {
    if (!changes.test(line.event ?? '')) return undefined;
    const user = line.user?.username;
    return { level: 'info', text: `editor: ${line.event}`, facts: user === undefined ? {} : { user } };
  }
  const level = line.level <= 20 ? 'error' : line.level <= 30 ? 'warn' : line.level <= 40 ? 'info' : 'debug';
  const facts: Record<string, string> = {};
  if (line.type !== undefined && line.id !== undefined) {
    facts.node = String(line.id);
    facts.type = String(line.type);
    if (line.name) facts.name = String(line.name).slice(0, 100);
  }
  const text = textOf(line.msg);
  if (/^[=*\s-]*$/.test(text)) return undefined;
  // Said as a warning at each start of a box whose flows need no password.
  return { level: text === 'Encrypted credentials not found' ? 'debug' : level, text, facts };
}

function textOf(value: unknown): string {
  if (value instanceof Error) return value.message;
  if (typeof value !== 'object' || value === null) return String(value);
  const { message } = value as { message?: unknown };
  if (typeof message === 'string') return message;
  try {
    return JSON.stringify(value) ?? '';
  } catch {
    return 'an object that cannot be shown';
  }
}
