import type { FastifyRequest } from 'fastify';

/** The cookie of a login; every system has its own. */
const name = 'holdfast_machines';

/** The value of `Set-Cookie` for a token: for scripts invisible, never sent from another site's page. */
export const sessionCookie = (token: string, isSecure: boolean): string =>
  `${name}=${token}; Path=/; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`;

/** The same that makes the browser forget it. */
export const endedCookie = (isSecure: boolean): string => `${sessionCookie('', isSecure)}; Max-Age=0`;

/**
 * The token in a request's cookie. A browser that says that another site's page asks is not believed: these routes are
 * all GET, and one of them changes something.
 */
export function cookieToken({ headers }: FastifyRequest): string | undefined {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return undefined;
  for (const part of (headers.cookie ?? '').split(';')) {
    const [key, value] = part.split('=', 2);
    if (key?.trim() === name) return value?.trim() || undefined;
  }
  return undefined;
}
