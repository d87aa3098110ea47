/**
 * The thread that has the files of `SqliteDocumentStore`s: it takes one turn after the other, each of one file, and reports
 * its results (`sqlite-file.ts`).
 */
import { parentPort } from 'node:worker_threads';
import { SqliteFile } from './sqlite-file.ts';
import type { Addressed, FileReport } from './sqlite-messages.ts';

const port = parentPort!;
const files = new Map<number, SqliteFile>();

port.on('message', (message: Addressed) => {
  const { file } = message;
  const report = (about: FileReport) => port.postMessage({ file, ...about });
  switch (message.kind) {
    case 'open':
      files.set(file, new SqliteFile(message.data, report));
      return;
    case 'close':
      files.get(file)?.close();
      files.delete(file);
      report({ kind: 'closed' });
      if (message.end) port.close();
      return;
    default:
      files.get(file)?.take(message);
  }
});
