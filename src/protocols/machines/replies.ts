import type { MachineChannel } from './channels.ts';
import type { TextSource } from './live-texts.ts';
import { type JsonObject, parseBody } from './parse.ts';
import { defaultTexts, isTextId, type Language, type TextId, type Texts } from './texts.ts';
import { isSerial } from './values.ts';
import { replyKeys, states } from './wire.ts';

/** The topic (and queue) that a machine reads the answers to `channel` from; `unknown` stands for one without a usable 序列号. */
export const replyTopic = (channel: string, serial: string | undefined): string =>
  `${channel}_${serial ?? 'unknown'}_res`;

/** What a report is answered with. */
export interface ReportReply {
  readonly channel: Pick<MachineChannel, 'kind' | 'table'>;
  /** undefined when the body named none that is usable: it is answered as "". */
  readonly serial: string | undefined;
  /** 设备状态 as received; answered on the process channel only. */
  readonly state: string | undefined;
  /** undefined: stored. */
  readonly text: TextId | undefined;
  /** Time of the reply in site time. */
  readonly time: string;
  /** Adds the text's id, as our centre does for gateways. */
  readonly withCode?: boolean;
}

/** What an authorization query is answered with; granted when `text` is undefined. */
export type AuthorizationReply = Omit<ReportReply, 'channel' | 'state'> & {
  /** Words of a centre's own instead of a text of the catalogue: then it is not granted. */
  readonly said?: string | undefined;
};

const literal = (key: string): string => `${JSON.stringify(key)}:`;
const serialPart = `{${literal(replyKeys.serial)}"`;
const tablePart = `",${literal(replyKeys.table)}`;
const statePart = `,${literal(replyKeys.state)}`;
const errorPart = `,${literal(replyKeys.error)}`;
const codePart = `,${literal(replyKeys.code)}"`;
const grantedPart = `,${literal(replyKeys.granted)}"`;
const timePart = `,${literal(replyKeys.time)}"`;
const stateLiterals = new Map<string, string>(
  Object.values(states).map(({ word }) => [word, `${statePart}${JSON.stringify(word)}`]),
);

/** Writes replies in one language. One per report is written, so the pieces are joined as text, not as an object. */
export class ReplyWriter {
  readonly #source: TextSource;
  readonly #language: Language;
  #texts: Texts | undefined;
  #errors = new Map<TextId | undefined, string>();
  readonly #tables = new Map<string, string>();

  /** `texts` is a catalogue, or where the present one is found. */
  constructor({ texts = defaultTexts, language = 'zh' }: { texts?: Texts | TextSource; language?: Language } = {}) {
    this.#source = 'current' in texts ? texts : { current: texts };
    this.#language = language;
  }

  /** The reply to a report, as JSON in UTF-8. */
  report({ channel, serial, state, text, time, withCode }: ReportReply): Buffer {
    let stateText = '';
    if (channel.kind === 'process') {
      stateText = stateLiterals.get(state ?? '') ?? `${statePart}${JSON.stringify(state ?? '')}`;
    }
    const error = `${this.#error(text)}${withCode === true && text !== undefined ? `${codePart}${text}"` : ''}`;
    // A serial that is usable and a time need no escaping.
    return Buffer.from(
      `${serialPart}${serial ?? ''}${this.#table(channel.table)}${stateText}${error}${timePart}${time}"}`,
    );
  }

  /** The reply to an authorization query, as JSON in UTF-8, with the seed's four keys. */
  authorization({ serial, text, said, time, withCode }: AuthorizationReply): Buffer {
    if (text === undefined && said !== undefined) {
      const words = `${errorPart}${JSON.stringify(said)}`;
      return Buffer.from(`${serialPart}${serial ?? ''}"${words}${grantedPart}0"${timePart}${time}"}`);
    }
    const error = `${this.#error(text)}${withCode === true && text !== undefined ? `${codePart}${text}"` : ''}`;
    const granted = text === undefined ? '1' : '0';
    return Buffer.from(`${serialPart}${serial ?? ''}"${error}${grantedPart}${granted}"${timePart}${time}"}`);
  }

  /** A text of the catalogue in the gateway's language. */
  words(text: TextId): string {
    return this.#source.current[text][this.#language];
  }

  /** The part with the error's text; made again when the catalogue is another. */
  #error(text: TextId | undefined): string {
    const texts = this.#source.current;
    if (texts !== this.#texts) {
      this.#texts = texts;
      this.#errors = new Map([[undefined, `${errorPart}""`]]);
      for (const id of Object.keys(texts)) {
        if (isTextId(id)) this.#errors.set(id, `${errorPart}${JSON.stringify(texts[id][this.#language])}`);
      }
    }
    return this.#errors.get(text)!;
  }

  #table(name: string): string {
    let text = this.#tables.get(name);
    if (text === undefined) {
      text = `${tablePart}${JSON.stringify(name)}`;
      this.#tables.set(name, text);
    }
    return text;
  }
}

/** A reply as its reader sees it; what was not a string in it is undefined. */
export interface ReceivedReply {
  readonly serial: string | undefined;
  readonly table: string | undefined;
  readonly state: string | undefined;
  /** "" when stored or granted. */
  readonly error: string;
  /** The text's id, from our centre. Not an id of the catalogue: undefined. */
  readonly code: TextId | undefined;
  /** Authorization only. */
  readonly granted: boolean;
  readonly time: string | undefined;
}

/** Reads a reply to a report or to an authorization query; undefined for what is none (no JSON object, no 错误). */
export function readReply(payload: Uint8Array): ReceivedReply | undefined {
  const body = parseBody(payload);
  if (typeof body === 'string') return undefined;
  const error = textIn(body, replyKeys.error);
  if (error === undefined) return undefined;
  const serial = body[replyKeys.serial];
  const code = body[replyKeys.code];
  return {
    serial: isSerial(serial) ? serial : undefined,
    table: textIn(body, replyKeys.table),
    state: textIn(body, replyKeys.state),
    error,
    code: isTextId(code) ? code : undefined,
    granted: error === '' && body[replyKeys.granted] === '1',
    time: textIn(body, replyKeys.time),
  };
}

function textIn(body: JsonObject, key: string): string | undefined {
  const value = body[key];
  return typeof value === 'string' ? value : undefined;
}
