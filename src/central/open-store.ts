import type { GatewayConfig } from '../config/index.ts';
import { HoldfastError } from '../errors.ts';
import type { Logger } from '../platform/index.ts';
import { type DocumentStore, SqliteDocumentStore } from '../store/index.ts';
import { MongoDocumentStore } from '../store/mongodb.ts';

/** The store that `central` names, not yet started. Throws `configuration-invalid` when it names none. */
export function openCentralStore(
  central: Pick<GatewayConfig['central'], 'mongodb' | 'embedded'>,
  { databasePrefix, logger }: { readonly databasePrefix?: string | undefined; readonly logger: Logger },
): DocumentStore {
  if (central.mongodb !== undefined) {
    return new MongoDocumentStore({ url: central.mongodb, ...(databasePrefix !== undefined && { databasePrefix }) });
  }
  if (central.embedded !== undefined) return new SqliteDocumentStore({ folder: central.embedded, logger });
  throw new HoldfastError('configuration-invalid', 'central.mongodb or central.embedded is required');
}
