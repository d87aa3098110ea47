export { Double } from 'mongodb';
export type {
  CollectionName,
  DocumentStore,
  IndexDefinition,
  InsertOutcome,
  NewDocument,
  Query,
  StoredDocument,
  StoredValue,
} from './document-store.ts';
export { EmbeddedDocumentStore, type EmbeddedOptions } from './embedded-document-store.ts';
export { MongoDocumentStore, type MongoOptions } from './mongo-document-store.ts';
