import { createHash } from 'node:crypto';
import type { CollectionName, NewDocument } from '../store/index.ts';
import type { Arrival } from './ingest.ts';

/** Where malformed messages are kept. */
export const rejectedCollection: CollectionName = { database: 'device_info', collection: 'rejected' };

/** Larger bodies are malformed (contracts/README.md, 'Bad input'). */
export const maxBodyBytes = 1_048_576;

/** The id of a message that brought none: the same bytes on the same channel are the same message. */
export const contentId = ({ channel, body }: Arrival): string =>
  createHash('sha256').update(`${channel}\n`).update(body).digest('hex');

/** `_id` of what is stored of a message: one that is sent or delivered again is stored once. */
export const documentId = (arrival: Arrival): string => arrival.messageId ?? contentId(arrival);

/** What is kept of a message that is malformed or cannot be stored: its bytes, at most 1 MiB of them, and why. */
export function rejection(
  arrival: Arrival,
  id: string,
  reason: string,
  key: string | undefined,
  serial: string | undefined,
): NewDocument {
  const { body, channel, receivedMs, gateway, sequence } = arrival;
  const document = {
    _id: id,
    channel,
    reason,
    key: key ?? null,
    serial: serial ?? null,
    size: BigInt(body.length),
    body: body.subarray(0, maxBodyBytes),
    _received: new Date(receivedMs),
    ...(gateway !== undefined && { _gateway: gateway }),
    ...(sequence !== undefined && { _seq: BigInt(sequence) }),
  };
  // Each stands for itself: one that is refused holds no other back.
  return { document, series: id };
}
