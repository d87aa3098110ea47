/** The HTTP queries as a person's program asks them, at the centre or at a box. */

import * as assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../until.ts';
import type { Program } from './program.ts';

/** A `Centre` or a `Box`. */
export interface QueryEnd {
  readonly url: string;
  readonly program: Program;
}

/** One of the queries. */
export async function query(
  { url }: QueryEnd,
  path: string,
  values: Record<string, string>,
): Promise<Record<string, unknown>> {
  const response = await fetch(`${url}${path}?${new URLSearchParams(values)}`);
  assert.equal(response.status, 200, path);
  return (await response.json()) as Record<string, unknown>;
}

/** Resolves with the token, "" when name or password are wrong. */
export async function login(end: QueryEnd, name: string, password: string): Promise<string> {
  const passwd = createHash('sha256').update(password).digest('hex');
  return (await query(end, '/login/', { name, passwd })).token as string;
}

/** Waits for a login that will be possible soon. */
export async function loginSoon(end: QueryEnd, name: string, password: string): Promise<string> {
  let token = '';
  await until(
    async () => {
      // Wrong passwords are slowed down: ask seldom.
      await sleep(400);
      token = await login(end, name, password);
      return token !== '';
    },
    () => `${name} can log in\n${end.program.tail}`,
  );
  return token;
}
