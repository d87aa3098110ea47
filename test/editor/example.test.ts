import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../support/until.ts';

import { EditorSite } from './support.ts';

const test = suite('editor: an example');
let site: EditorSite;

test.before(async () => {
  site = await EditorSite.start();
});
test.after(() => site.stop());
test.after.each(() => site.closePages());

test('comes from the import menu, is deployed, and reports', async () => {
  const editor = await site.enter();
  const { page } = editor;
  await editor.evaluate(`RED.actions.invoke('core:show-examples-import-dialog')`);
  const entry = (name: string) =>
    page.locator('#red-ui-clipboard-dialog-import-tab-examples .red-ui-treeList-label', { hasText: name }).last();
  await entry('@holdfast/node-red').click();
  const names = page.locator('#red-ui-clipboard-dialog-import-tab-examples .red-ui-treeList-label');
  await entry('01 - Report from an inject').waitFor();
  assert.ok((await names.count()) >= 8, 'the other examples are there too');
  await entry('01 - Report from an inject').click();
  await page.click('#red-ui-clipboard-dialog-ok');

  await page.locator('#red-ui-workspace-tabs .red-ui-tab-label', { hasText: 'Report' }).click();
  const idOf = (type: string) => editor.evaluate<string>(`RED.nodes.filterNodes({ type: '${type}' })[0].id`);
  const report = await idOf('holdfast-report');
  await editor.node(report).waitFor();
  assert.is(await editor.statusOf(report), '');
  const before = site.site.gateway.spool.status.accepted;
  await editor.deploy();
  const ready = await editor.statusUntil(report, (text) => text !== '');
  assert.not.match(ready, /[{}_]|\./);

  await editor
    .node(await idOf('inject'))
    .locator('.red-ui-flow-node-button-button')
    .click();
  await until(() => site.site.gateway.spool.status.accepted === before + 1, 'the report is in the ledger');
  await until(() => site.site.gateway.spool.status.delivered === before + 1, 'the report is in the database');
  // The debug nodes of both outputs.
  const messages = page.locator('.red-ui-debug-msg-name');
  for (const name of ["on the box's disk", "in the centre's database"])
    await messages.filter({ hasText: name }).first().waitFor();
});

test.run();
