/** MongoDB apart from `index.ts`: its driver takes 20 MiB, and a box has no use for it. */
export { MongoDocumentStore, type MongoOptions } from './mongo-document-store.ts';
