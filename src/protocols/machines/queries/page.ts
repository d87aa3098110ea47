import type { CollectionName, DocumentStore, Query, StoredDocument } from '../../../store/index.ts';
import { type Fields, flat } from './flat.ts';

/** Bytes of one answer's list; further documents are left out, and asked for with a larger `skip`. */
const maxBytes = 16 * 2 ** 20;
/** A report may have 1 MiB: so many are read before it is known how large this machine's are. */
const firstSlice = 20;
/** Bytes of documents that are read at once, as far as those before them tell. */
const sliceBytes = 2 ** 20;
/** Above it, an answer counts as large. */
const smallBytes = 2 ** 20;

/** Who waits for a page. */
export interface PageReader {
  /** True when nobody waits for the answer any more. */
  readonly isGone: () => boolean;
  /** Resolves when the answer may be a large one. */
  readonly grow: () => Promise<void>;
}

/** What a page is read for. */
export interface PageRequest extends PageReader {
  readonly store: Pick<DocumentStore, 'find'>;
  readonly target: CollectionName;
  readonly query: Query & { readonly skip: number; readonly limit: number };
  /** What is answered of a document (all that is the machine's). */
  readonly pick?: (document: StoredDocument) => Fields;
}

/**
 * A page as the JSON of its documents in UTF-8, in slices that grow as long as the documents are small: an answer never
 * holds more than `maxBytes` and one slice. Nobody waiting: what is there.
 */
export async function readPage({ store, target, query, isGone, grow, pick = flat }: PageRequest): Promise<Buffer[]> {
  const texts: Buffer[] = [];
  // Between two slices a report may come in, and move all by one.
  const seen = new Set<string>();
  let bytes = 0;
  let read = 0;
  let slice = Math.min(firstSlice, query.limit);
  while (slice > 0 && !isGone()) {
    const documents = await store.find(target, { ...query, skip: query.skip + read, limit: slice });
    for (const document of documents) {
      if (seen.has(document._id)) continue;
      seen.add(document._id);
      const text = Buffer.from(JSON.stringify(pick(document)));
      bytes += text.length;
      if (bytes > maxBytes && texts.length > 0) return texts;
      texts.push(text);
    }
    read += documents.length;
    if (documents.length < slice) break;
    if (bytes > smallBytes) await grow();
    const each = bytes / read;
    const fitting = Math.max(1, Math.floor(Math.min(sliceBytes, maxBytes - bytes) / each));
    slice = maxBytes - bytes < each ? 0 : Math.min(query.limit - read, fitting);
  }
  return texts;
}
