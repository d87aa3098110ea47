export { Double } from 'mongodb';
export type {
  Change,
  CollectionName,
  Comparable,
  Condition,
  DocumentStore,
  Filter,
  IndexDefinition,
  InsertOutcome,
  NewDocument,
  Query,
  StoredDocument,
  StoredValue,
} from './document-store.ts';
export { MongoDocumentStore, type MongoOptions } from './mongo-document-store.ts';
export { type Keep, SqliteDocumentStore, type SqliteOptions } from './sqlite-document-store.ts';
