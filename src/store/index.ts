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
export { Double } from './double.ts';
export { type Keep, SqliteDocumentStore, type SqliteOptions } from './sqlite-document-store.ts';
export { SqliteHost } from './sqlite-host.ts';
