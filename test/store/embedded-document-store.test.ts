import { appendFileSync, readFileSync, statSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type FileSystem, nodeFileSystem, type OpenFile } from '../../src/platform/index.ts';
import { EmbeddedDocumentStore, type NewDocument } from '../../src/store/index.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { kinds, storeContract } from './document-store-contract.ts';

const target = { database: 'device_info', collection: 'device_base' };
const item = (id: string, text = ''): NewDocument => ({ document: { _id: id, text }, series: 'sn1' });

async function started(folder: string, fileSystem?: FileSystem): Promise<EmbeddedDocumentStore> {
  const store = new EmbeddedDocumentStore({ folder, ...(fileSystem && { fileSystem }) });
  await store.start();
  return store;
}

storeContract(
  'embedded',
  async () => {
    const folder = temporaryFolder().file('documents');
    return { store: await started(folder), reopen: () => started(folder) };
  },
  async () => {},
);

const test = suite('document store: embedded files');

test('a torn last line is dropped, and what follows is whole', async () => {
  const folder = temporaryFolder().path;
  const path = `${folder}/device_info.device_base.jsonl`;
  const first = await started(folder);
  await first.insertBatch(target, [item('a'), item('b')]);
  await first.stop();
  appendFileSync(path, `{"_id":"c","text":"${'x'.repeat(500)}`);
  const second = await started(folder);
  assert.is(await second.count(target), 2);
  assert.equal(kinds(await second.insertBatch(target, [item('c')])), ['inserted']);
  await second.stop();
  const third = await started(folder);
  assert.equal(
    (await third.find(target)).map(({ _id }) => _id),
    ['a', 'b', 'c'],
  );
  assert.equal(kinds(await third.insertBatch(target, [item('a'), item('d')])), ['duplicate', 'inserted']);
  await third.stop();
});

test('a block of zeros in the file is skipped', async () => {
  const folder = temporaryFolder().path;
  const path = `${folder}/device_info.device_base.jsonl`;
  const first = await started(folder);
  await first.insertBatch(target, [item('a')]);
  await first.stop();
  appendFileSync(path, Buffer.concat([Buffer.alloc(4096), Buffer.from('\n')]));
  const second = await started(folder);
  await second.insertBatch(target, [item('b')]);
  assert.equal(
    (await second.find(target)).map(({ _id }) => _id),
    ['a', 'b'],
  );
  await second.stop();
});

test('a failed write or sync leaves nothing, and the repeat is stored', async () => {
  const folder = temporaryFolder().path;
  let failing: 'write' | 'sync' | undefined;
  const broken = (file: OpenFile): OpenFile => ({
    write(data, position) {
      if (failing === 'write') {
        file.write(data.subarray(0, data.length >> 1), position);
        throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
      }
      file.write(data, position);
    },
    read: (into, position) => file.read(into, position),
    readAsync: (into, position) => file.readAsync(into, position),
    async sync() {
      if (failing === 'sync') throw Object.assign(new Error('EIO'), { code: 'EIO' });
      await file.sync();
    },
    size: () => file.size(),
    close: () => file.close(),
  });
  const files: FileSystem = {
    ...nodeFileSystem,
    open: (path, access) => broken(nodeFileSystem.open(path, access)),
    create: (path) => broken(nodeFileSystem.create(path)),
  };
  const store = await started(folder, files);
  await store.insertBatch(target, [item('a')]);
  for (const kind of ['write', 'sync'] as const) {
    failing = kind;
    const error = await store.insertBatch(target, [item(kind, 'y'.repeat(300))]).then(
      () => undefined,
      (thrown) => thrown,
    );
    assert.is(error?.code, 'database-unreachable');
    assert.equal(
      (await store.find(target)).map(({ _id }) => _id),
      kind === 'write' ? ['a'] : ['a', 'short'],
    );
    failing = undefined;
    if (kind === 'write') await store.insertBatch(target, [item('short')]);
  }
  assert.equal(kinds(await store.insertBatch(target, [item('sync')])), ['inserted']);
  await store.stop();
  const again = await started(folder);
  assert.equal(
    (await again.find(target)).map(({ _id }) => _id),
    ['a', 'short', 'sync'],
  );
  await again.stop();
});

test('documents are one line of JSON each, private to the user', async () => {
  const folder = temporaryFolder().file('new');
  const store = await started(folder);
  await store.insertBatch(target, [{ document: { _id: 'a', n: 2n, at: new Date(0) }, series: 's' }]);
  const path = `${folder}/device_info.device_base.jsonl`;
  assert.is(
    readFileSync(path, 'utf8'),
    '{"_id":"a","n":{"$numberLong":"2"},"at":{"$date":"1970-01-01T00:00:00.000Z"}}\n',
  );
  assert.is(statSync(path).mode & 0o777, 0o600);
  await store.stop();
});

test.run();
