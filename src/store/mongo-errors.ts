import { MongoBulkWriteError, MongoError, MongoInvalidArgumentError, MongoServerError } from 'mongodb';
import { HoldfastError, isHoldfastError } from '../errors.ts';

/** Where an ordered insert stopped, and why; no reason means that there was such a document before. */
export interface Stop {
  readonly place: number;
  readonly reason: string | undefined;
}

const duplicateKey = 11_000;
const indexKeySpecsConflict = 86;

/**
 * Codes with which a server says that it cannot write now: unreachable members, failing over, shutting down, no right
 * to write, full, out of time, a write concern not met. They say nothing about a document.
 */
const serverCodes = new Set<number | string | undefined>([
  6, 7, 8, 11, 13, 18, 24, 50, 63, 64, 89, 91, 112, 133, 134, 189, 202, 262, 317, 358, 9001, 10_058, 10_107, 11_600,
  11_602, 13_388, 13_435, 13_436, 14_031,
]);

/** The document at which an ordered insert stopped; undefined when the error is about more than one document. */
export function stopOf(error: unknown): Stop | undefined {
  if (!(error instanceof MongoBulkWriteError) || error.result.getWriteConcernError() !== undefined) return undefined;
  const [first] = Array.isArray(error.writeErrors) ? error.writeErrors : [error.writeErrors];
  if (first === undefined || serverCodes.has(first.code)) return undefined;
  if (first.code === duplicateKey) return { place: first.index, reason: undefined };
  return { place: first.index, reason: first.errmsg ?? `code ${first.code}` };
}

/** True when the database could not do it now, whatever it was given; false when a document may be at fault. */
export function isServerFailure(error: unknown): boolean {
  if (error instanceof MongoBulkWriteError) {
    if (error.result.getWriteConcernError() !== undefined) return true;
    return typeof error.code !== 'number' || serverCodes.has(error.code);
  }
  if (error instanceof MongoServerError) return serverCodes.has(error.code);
  // Too large for the protocol: the driver's own check, before anything is sent.
  if (error instanceof MongoInvalidArgumentError) return false;
  // What else the driver throws by itself is about the connection; what it cannot encode is no MongoError.
  return error instanceof MongoError || isHoldfastError(error);
}

/** True when there is another document with the same `_id`. */
export function isDuplicate(error: unknown): boolean {
  return error instanceof MongoServerError && error.code === duplicateKey;
}

/** True when there is an index of that name with other keys. */
export function isIndexConflict(error: unknown): boolean {
  return error instanceof MongoServerError && error.code === indexKeySpecsConflict;
}

/** The error as callers know it. */
export function unreachable(error: unknown): HoldfastError {
  if (isHoldfastError(error)) return error;
  return new HoldfastError('database-unreachable', 'the database did not do what it was asked', error);
}
