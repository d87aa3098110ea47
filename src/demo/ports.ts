import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { parse } from 'yaml';
import { HoldfastError } from '../errors.ts';

/** A port to listen on: the one that was configured, or the first free one from the default on. */
export interface PortWish {
  /** The configuration's key, for the error. */
  readonly key: string;
  readonly port: number;
  readonly isConfigured: boolean;
}

const tries = 100;

/**
 * The port that fulfils a wish and is not among those taken already.
 *
 * @throws HoldfastError `port-taken` for a configured one, or when there is none at all.
 */
export async function findPort(
  host: string,
  { key, port, isConfigured }: PortWish,
  taken: Set<number>,
): Promise<number> {
  for (let candidate = port; candidate < Math.min(65_536, port + (isConfigured ? 1 : tries)); candidate++) {
    if (taken.has(candidate) || !(await isFree(host, candidate))) continue;
    taken.add(candidate);
    return candidate;
  }
  throw new HoldfastError('port-taken', `${key}: another program listens on ${host}:${port}`);
}

/** Whether a key was given in the file or in the environment, for a configuration that is valid. */
export function isGiven(
  key: readonly [group: string, ...rest: string[]],
  { file, environment }: { file: string | undefined; environment: Readonly<Record<string, string | undefined>> },
): boolean {
  if (environment[`HOLDFAST_${key.join('_').toUpperCase()}`]) return true;
  if (file === undefined) return false;
  let value: unknown = parse(readFileSync(file, 'utf8'));
  for (const name of key) value = (value as Record<string, unknown> | null | undefined)?.[name];
  return value !== undefined && value !== null;
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}
