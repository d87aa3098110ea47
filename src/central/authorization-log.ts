import { randomUUID } from 'node:crypto';
import { authorizationLogKeys, authorizationLogKinds, authorizationLogSources } from '../protocols/machines/index.ts';
import type { DocumentStore, NewDocument, StoredDocument } from '../store/index.ts';
import { authorizationLogCollection } from './authorization-record.ts';

const { serial, kind, granted, error, source, time, until, formerUntil, version, by } = authorizationLogKeys;

/** A query with the answer that it is given. */
export interface LoggedAnswer {
  readonly serial: string | undefined;
  readonly gateway: string | undefined;
  readonly messageId: string | undefined;
  readonly granted: boolean;
  /** 错误, "" when granted. */
  readonly error: string;
  readonly receivedMs: number;
  readonly answeredMs: number;
}

/** A change of an authorization. */
export interface LoggedChange {
  readonly serial: string;
  readonly version: number;
  readonly until: string;
  /** undefined for the first authorization of a machine. */
  readonly formerUntil: string | undefined;
  /** Whether it grants from now on. */
  readonly granted: boolean;
  /** Account, or the person at the console. */
  readonly by: string;
  readonly changedMs: number;
}

/** Writes queries and answers down, two lines for each; resolves once they are safe. */
export async function logAnswers(
  store: DocumentStore,
  answers: readonly LoggedAnswer[],
  format: (wallMs: number) => string,
): Promise<void> {
  const lines = answers.flatMap((answer): NewDocument[] => {
    const id = randomUUID();
    const common = {
      [serial]: answer.serial ?? '',
      [source]: authorizationLogSources.centre,
      _query: answer.messageId ?? id,
      ...(answer.gateway !== undefined && { _gateway: answer.gateway }),
    };
    const query = {
      ...common,
      _id: `centre-${id}-1`,
      [kind]: authorizationLogKinds.query,
      [time]: format(answer.receivedMs),
      _time: new Date(answer.receivedMs),
      _received: new Date(answer.receivedMs),
    };
    const reply = {
      ...common,
      _id: `centre-${id}-2`,
      [kind]: authorizationLogKinds.answer,
      [granted]: answer.granted ? '1' : '0',
      [error]: answer.error,
      [time]: format(answer.answeredMs),
      _time: new Date(answer.answeredMs),
      _received: new Date(answer.answeredMs),
    };
    return [query, reply].map((document) => ({ document: document as StoredDocument, series: document._id }));
  });
  if (lines.length > 0) await store.insertBatch(authorizationLogCollection, lines);
}

const changeId = (serialNumber: string, number: number) => `change-${serialNumber}-${number}`;

/**
 * The number of the next change of a machine of which there is no record: 1, or beyond what the log has, where somebody
 * removed the record from the database. Gateways ignore an older number, and the log has one line for each.
 */
export async function nextVersion(store: DocumentStore, serialNumber: string): Promise<bigint> {
  const isLogged = async (number: number) => {
    const filter = { _id: changeId(serialNumber, number) };
    return (await store.find(authorizationLogCollection, { filter, limit: 1 })).length > 0;
  };
  let last = 0;
  let free = 1;
  while (await isLogged(free)) {
    last = free;
    free *= 2;
  }
  while (free - last > 1) {
    const middle = Math.floor((last + free) / 2);
    if (await isLogged(middle)) last = middle;
    else free = middle;
  }
  return BigInt(free);
}

/** Writes a change down; the same change again is the same line. */
export async function logChange(
  store: DocumentStore,
  change: LoggedChange,
  format: (wallMs: number) => string,
): Promise<void> {
  const document: StoredDocument = {
    _id: changeId(change.serial, change.version),
    [serial]: change.serial,
    [kind]: authorizationLogKinds.change,
    [granted]: change.granted ? '1' : '0',
    [error]: '',
    [source]: authorizationLogSources.person,
    [until]: change.until,
    ...(change.formerUntil !== undefined && { [formerUntil]: change.formerUntil }),
    [version]: BigInt(change.version),
    [by]: change.by,
    [time]: format(change.changedMs),
    _time: new Date(change.changedMs),
    _received: new Date(change.changedMs),
  };
  await store.insertBatch(authorizationLogCollection, [{ document, series: document._id }]);
}
