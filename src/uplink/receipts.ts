import { defaultTexts, readReply, type TextId } from '../protocols/machines/index.ts';

/** What the centre says about a report. */
export type Verdict =
  | { readonly kind: 'stored'; readonly state: string | undefined }
  /** It will never take it. */
  | { readonly kind: 'malformed'; readonly text: string; readonly state: string | undefined }
  /** It could not store it now. */
  | { readonly kind: 'refused'; readonly text: string; readonly state: string | undefined }
  /** Not a receipt at all. */
  | { readonly kind: 'unreadable' };

const permanent: TextId = 'malformed';

/**
 * Reads a receipt. Only `malformed` is permanent: by its code, or, from a centre that sends no codes, by the text that
 * stands for it in the seed.
 */
export function readReceipt(body: Uint8Array): Verdict {
  const reply = readReply(body);
  if (reply === undefined) return { kind: 'unreadable' };
  const { error, code, state } = reply;
  // A code stands beside a refusal only, whatever its words are.
  if (error === '' && code === undefined) return { kind: 'stored', state };
  const isPermanent = code === undefined ? error === defaultTexts[permanent].zh : code === permanent;
  return { kind: isPermanent ? 'malformed' : 'refused', text: code === undefined ? error : `${code}: ${error}`, state };
}
