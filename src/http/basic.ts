/** The user name and password of an `Authorization: Basic` header; both undefined when there is none. */
export function basicCredential(header: string | undefined): {
  readonly username: string | undefined;
  readonly password: Buffer | undefined;
} {
  const encoded = /^basic ([A-Za-z0-9+/=_-]+) *$/i.exec(header ?? '')?.[1];
  if (encoded === undefined) return { username: undefined, password: undefined };
  const decoded = Buffer.from(encoded, 'base64');
  const colon = decoded.indexOf(0x3a);
  if (colon < 0) return { username: undefined, password: undefined };
  return { username: decoded.toString('utf8', 0, colon), password: decoded.subarray(colon + 1) };
}
