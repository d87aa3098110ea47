import {
  defaultTexts,
  type Grant,
  grantKeys,
  type Identity,
  parseBody,
  readGrant,
  readReply,
  type TextId,
} from '../protocols/machines/index.ts';

/** What the centre said to a query. */
export type CentreAnswer =
  | {
      readonly kind: 'granted';
      /** What it added to vouch for it; undefined from a centre that does not sign. */
      readonly grant: Grant | undefined;
      /** 授权截止时间, when that is there. */
      readonly until: string | undefined;
      /** 报文时间. */
      readonly time: string | undefined;
    }
  | {
      readonly kind: 'denied';
      /** What is added to a signed answer. */
      readonly grant: Grant | undefined;
      /** Its id in the catalogue; undefined for words of the centre's own, which are in `said`. */
      readonly text: TextId | undefined;
      readonly said: string;
      readonly time: string | undefined;
    }
  /** It could not tell: it did not understand the query, or its database failed. */
  | { readonly kind: 'undecided'; readonly text: TextId; readonly said: string; readonly time: string | undefined }
  /** An answer about another machine. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'unreadable' };

/** Longest text of a centre that is repeated to a machine, in characters. */
const maxSaid = 256;
/** The texts of a decision. Any other of the catalogue says that the centre could not come to one. */
const decisions: ReadonlySet<TextId> = new Set(['identity-mismatch', 'not-authorized']);

/** The catalogue's id of a text that a centre without codes sends: the seed's words stand for them. */
const idsByText = new Map<string, TextId>();
for (const [id, { zh }] of Object.entries(defaultTexts)) idsByText.set(zh, id as TextId);

/**
 * Reads an answer to the query of this machine. Granted only when 序列号 matches, 授权 is "1" and 错误 is ""; every
 * other answer is a denial, unless its text says that the centre could not decide. Words of a centre's own deny: a
 * machine is rather stopped than started by mistake.
 */
export function readCentreAnswer(payload: Uint8Array, identity: Identity): CentreAnswer {
  const reply = readReply(payload);
  const body = parseBody(payload);
  if (reply === undefined || typeof body === 'string') return { kind: 'unreadable' };
  if (reply.serial !== identity.serial) return { kind: 'foreign' };
  const { time, error } = reply;
  const grant = readGrant(body, identity);
  if (reply.granted) {
    const until = body[grantKeys.until];
    return {
      kind: 'granted',
      grant,
      until: typeof until === 'string' ? until : undefined,
      time,
    };
  }
  const text = reply.code ?? idsByText.get(error.trim());
  const said = error.slice(0, maxSaid);
  if (text !== undefined && !decisions.has(text)) return { kind: 'undecided', text, said, time };
  return { kind: 'denied', grant, text: text ?? (error === '' ? 'not-authorized' : undefined), said, time };
}
