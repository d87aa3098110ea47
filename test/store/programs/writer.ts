/**
 * Writes documents until it is ended, from several tasks at once, and says each that is safe: `<collection> <id>` a line.
 *
 *     writer.ts FOLDER BEGIN [bytes of a document]
 *
 * A call that fails is said as `failed <reason>`, and the document is tried again.
 */
import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeError } from '../../../src/errors.ts';
import { SqliteDocumentStore } from '../../../src/store/index.ts';

const [folder = '', begin = '0', bytes = '200'] = process.argv.slice(2);
const store = new SqliteDocumentStore({ folder });
const text = 'x'.repeat(Number(bytes));
await store.start();
await store.ensureIndexes([{ database: 'test', collection: 'inserted', name: 'n', keys: [['n', 1]] }]);
writeSync(1, 'ready\n');

async function write(task: number): Promise<void> {
  const target = { database: 'test', collection: task % 2 === 0 ? 'inserted' : 'put' };
  for (let n = Number(begin); ; n++) {
    const document = { _id: `${task}-${n}`, n: BigInt(n), text };
    for (let done = false; !done; ) {
      try {
        if (task % 2 === 0) await store.insertBatch(target, [{ document, series: 's' }]);
        else await store.put(target, document);
        done = true;
        writeSync(1, `${target.collection} ${document._id}\n`);
      } catch (error) {
        writeSync(1, `failed ${describeError(error)}\n`);
        await sleep(50);
      }
    }
  }
}

await Promise.all([0, 1, 2, 3].map(write));
