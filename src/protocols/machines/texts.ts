import { HoldfastError } from '../../errors.ts';
import shipped from './texts.json' with { type: 'json' };

/** Programs compare these; people read the texts. */
export type TextId = keyof typeof shipped;
export type Language = 'zh' | 'en';

/** The texts of errors, one of each id and language. */
export type Texts = Readonly<Record<TextId, Readonly<Record<Language, string>>>>;

/** The seed's words as `zh`, and English ones. */
export const defaultTexts: Texts = shipped;

/** True for an id of the catalogue. */
export const isTextId = (value: unknown): value is TextId => typeof value === 'string' && Object.hasOwn(shipped, value);

/**
 * The catalogue with the texts of a replacing file in it: JSON of the same shape, of which ids and languages may be
 * missing. `content` is the file's text and `path` its name for the error. Throws `configuration-invalid` for what is
 * not JSON, an unknown id or language, and a text that is not a string or empty.
 */
export function replaceTexts(content: string, path: string): Texts {
  const texts: Record<string, Record<string, string>> = structuredClone(shipped);
  for (const [id, replaced] of Object.entries(objectIn(parse(content, path), path))) {
    const entry = isTextId(id) ? texts[id] : undefined;
    if (entry === undefined)
      throw invalid(`${path}: ${id} is not a text; there are ${Object.keys(shipped).join(', ')}`);
    for (const [language, text] of Object.entries(objectIn(replaced, `${path}: ${id}`))) {
      if (language !== 'zh' && language !== 'en')
        throw invalid(`${path}: ${id}.${language} is not a language; zh or en`);
      // "" in a reply says that it is stored, or granted.
      if (typeof text !== 'string' || text.trim() === '')
        throw invalid(`${path}: ${id}.${language} must be a string that is not empty`);
      entry[language] = text;
    }
  }
  return texts as Texts;
}

function parse(content: string, path: string): unknown {
  try {
    return JSON.parse(content.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw invalid(`${path} is not valid JSON`, error);
  }
}

function objectIn(value: unknown, where: string): object {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw invalid(`${where} must be an object`);
}

const invalid = (message: string, cause?: unknown) => new HoldfastError('configuration-invalid', message, cause);
