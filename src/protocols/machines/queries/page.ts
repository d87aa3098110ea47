import type { CollectionName, DocumentStore, Query, StoredDocument } from '../../../store/index.ts';
import { type Fields, flat } from './flat.ts';

/** Bytes of one answer's list; further documents are left out, and asked for with a larger `skip`. */
const maxBytes = 16 * 2 ** 20;
/** A report may have 1 MiB: so many are read before it is known how large this machine's are. */
const firstSlice = 50;

/** What a page is read for. */
export interface PageRequest {
  readonly store: DocumentStore;
  readonly target: CollectionName;
  readonly query: Query & { readonly skip: number; readonly limit: number };
  /** True when nobody waits for the answer any more. */
  readonly isGone: () => boolean;
  /** What is answered of a document (all that is the machine's). */
  readonly pick?: (document: StoredDocument) => Fields;
}

/**
 * A page as the JSON texts of its documents, in slices that grow as long as the documents are small: an answer never
 * holds more than `maxBytes` and one slice. Nobody waiting: what is there.
 */
export async function readPage({ store, target, query, isGone, pick = flat }: PageRequest): Promise<string[]> {
  const texts: string[] = [];
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
      const text = JSON.stringify(pick(document));
      bytes += Buffer.byteLength(text);
      if (bytes > maxBytes && texts.length > 0) return texts;
      texts.push(text);
    }
    read += documents.length;
    if (documents.length < slice) break;
    const fitting = Math.floor((maxBytes - bytes) / (bytes / read));
    slice = Math.min(query.limit - read, fitting);
  }
  return texts;
}
