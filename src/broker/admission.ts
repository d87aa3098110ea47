import type { ConnectPacket } from 'aedes';
import type { Access, Identity, Login } from './access.ts';

/** What a CONNECT asks for, after it was made safe for aedes. */
export interface Admission {
  /** Seconds of silence after which the connection counts as dead; 0 = never. */
  readonly maxSilenceSeconds: number;
  /** A reason to refuse it that does not depend on who it is. */
  readonly refusal: 'will' | 'client-id' | undefined;
}

/** MQTT 3.1 allows 23 characters; 3.1.1 leaves it open, and it is kept in memory for absent sessions. */
const maxIdLength = { 3: 23, other: 256 } as const;

/**
 * Looks at a CONNECT and changes it in place: the client id gets the user name in front, so that nobody can take over
 * another user's session by naming it; the keep-alive and the will are taken out, because the guard watches silence
 * itself and wills are refused.
 */
export function admit(packet: ConnectPacket): Admission {
  const { clientId, username = '', keepalive = 0, protocolVersion } = packet;
  const longest = protocolVersion === 3 ? maxIdLength[3] : maxIdLength.other;
  const isIdWrong = clientId.length > longest || (clientId === '' && packet.clean === false);
  const refusal = packet.will !== undefined ? 'will' : isIdWrong ? 'client-id' : undefined;
  Object.assign(packet, { keepalive: 0, clientId: clientId === '' ? '' : `${username}\u0000${clientId}` });
  delete packet.will;
  return { maxSilenceSeconds: Math.ceil(keepalive * 1.5), refusal };
}

/** An identity, or the CONNACK's return code and a label for the counter. */
export type LoginResult = { readonly identity: Identity } | { readonly reason: string; readonly returnCode: number };

/** Refuses what `admit` found, else logs in. */
export async function limitLogin({
  access,
  admission,
  login,
}: {
  access: Access;
  admission: Admission;
  login: Login;
}): Promise<LoginResult> {
  if (admission.refusal === 'client-id') return { reason: 'client-id', returnCode: 2 };
  if (admission.refusal === 'will') return { reason: 'will', returnCode: 5 };
  const result = await access.login(login);
  if (typeof result !== 'string') return { identity: result };
  return { reason: result, returnCode: result === 'credentials' ? 4 : result === 'plain' ? 5 : 3 };
}
