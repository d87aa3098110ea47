/** A deploy that is cut off between its files: the old flow with its credentials, or the new one with its own. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createStorage } from '../../src/flow-engine/child/storage.ts';
import { FlowFiles } from '../../src/flow-engine/flow-files.ts';
import { silentLogger } from '../../src/platform/index.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary.ts';

interface Storage {
  init(): Promise<void>;
  saveCredentials(value: object): Promise<void>;
  saveFlows(flows: unknown): Promise<void>;
}

const test = suite('a deploy that is cut off');

/** As Node-RED deploys: the credentials first. */
async function deploy(folder: string, n: number): Promise<void> {
  const beforeSwitch = async () => {};
  const storage = createStorage({ folder, beforeSwitch, afterFailure: () => {} }) as Storage;
  await storage.init();
  await storage.saveCredentials({ $: `credentials ${n}` });
  await storage.saveFlows([{ id: 'tab', type: 'tab', label: `flow ${n}` }]);
}

/** The number of the flow and of its credentials, as the next process has them. */
async function found(folder: string): Promise<(string | undefined)[]> {
  const files = new FlowFiles(folder);
  await files.open();
  await files.settle(silentLogger);
  const content = await files.current();
  return [content?.flows, content?.credentials].map((text) => /(?:flow|credentials) (\d)/.exec(text ?? '')?.[1]);
}

/** A folder in the way of a file that is written aside: the step fails, and nothing after it is done. */
const block = (folder: string, name: string) => mkdirSync(join(folder, `${name}.new`));

async function box(): Promise<TemporaryFolder> {
  const folder = temporaryFolder('holdfast-deploy-');
  await deploy(folder.path, 1);
  assert.equal(await found(folder.path), ['1', '1']);
  return folder;
}

test('cut off after its decisive step it is ended by the next start', async () => {
  const folder = await box();
  // What the disk holds when the power goes after the credentials were written.
  const deployed = await box();
  await deploy(deployed.path, 2);
  const read = (name: string) => readFileSync(deployed.file(name), 'utf8');
  const pair = { flows: read('flows.json'), credentials: read('flows_cred.json') };
  writeFileSync(folder.file('flows-new.json'), JSON.stringify(pair));
  writeFileSync(folder.file('flows_cred.json'), pair.credentials);
  assert.equal(await found(folder.path), ['2', '2']);
  assert.not.ok(existsSync(folder.file('flows-new.json')));
});

test('the credentials are not written before the whole deploy is on the disk', async () => {
  const folder = await box();
  block(folder.path, 'flows-new.json');
  await deploy(folder.path, 2).then(
    () => assert.unreachable(),
    () => {},
  );
  assert.equal(await found(folder.path), ['1', '1']);
});

for (const name of ['flows_cred.json', 'flows.json']) {
  test(`one that fails at ${name} leaves the old pair, and does not come into force later`, async () => {
    const folder = await box();
    block(folder.path, name);
    await deploy(folder.path, 2).then(
      () => assert.unreachable(),
      () => {},
    );
    const isThere = readdirSync(folder.path).includes('flows-new.json');
    // Where the old credentials cannot be put back either, the deploy is still to be ended as a whole.
    assert.is(isThere, name === 'flows_cred.json');
    if (!isThere) assert.equal(await found(folder.path), ['1', '1']);
  });
}

test.run();
