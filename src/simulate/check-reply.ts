import { isTime, readReply } from '../protocols/machines/index.ts';
import type { Report } from './report-writer.ts';

/** What is wrong with a reply to a report; undefined when nothing is. */
export function checkReply(payload: Buffer, report: Report): string | undefined {
  const reply = readReply(payload);
  if (reply === undefined) return `no reply at all: ${excerpt(payload)}`;
  if (reply.error !== '') return `refused: ${reply.error}`;
  if (reply.serial !== report.serial) return `for another machine: ${excerpt(payload)}`;
  if (reply.table !== report.table) return `with another table: ${excerpt(payload)}`;
  if (reply.state !== report.state) return `with another state: ${excerpt(payload)}`;
  if (!isTime(reply.time)) return `without a time: ${excerpt(payload)}`;
  return undefined;
}

/** Whether a reply may be meant for a report: only replies to process reports say more than their channel. */
export function mayAnswer(payload: Buffer, report: Report): boolean {
  return report.state === undefined || readReply(payload)?.state === report.state;
}

const excerpt = (payload: Buffer): string => payload.toString('utf8', 0, 200);
