import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EditorSite, password } from './support.ts';

const test = suite('editor: login');
let site: EditorSite;

test.before(async () => {
  site = await EditorSite.start();
  await site.addAccount('looker', '--customer', '*');
  await site.addAccount('customer', '--customer', '重庆达优', '--role', 'authorizer');
});
test.after(() => site.stop());
test.after.each(() => site.closePages());

test('a wrong password is refused with a word, the right one lets in', async () => {
  const editor = await site.open();
  assert.is(await editor.login('owner', 'wrong'), 'Login failed');
  assert.is(await editor.node('any').count(), 0);
  assert.is(await editor.evaluate('RED.nodes.getType("inject")'), undefined);
  assert.is(await editor.login('owner', password), undefined);
  assert.is(await editor.page.title(), 'Holdfast box : Flow 1');
  assert.is(await editor.page.locator('.red-ui-deploy-button-group.readOnly').count(), 0);
});

test('the refusal is in the language of the browser', async () => {
  const editor = await site.open('zh-CN');
  assert.is(await editor.login('owner', 'wrong'), '登录失败');
});

test('who may look sees the flow and cannot deploy', async () => {
  const owner = await site.enter();
  const id = await owner.drop('inject', 200, 200);
  await owner.deploy();

  const editor = await site.open();
  assert.is(await editor.login('looker', password), undefined);
  assert.is(await editor.node(id).count(), 1);
  assert.is(await editor.page.locator('.red-ui-deploy-button-group.readOnly').count(), 1);
  await editor.evaluate(`RED.nodes.dirty(true)`);
  const classes = await editor.page.locator('#red-ui-header-button-deploy').getAttribute('class');
  assert.match(classes!, /\bdisabled\b/);
  // The page is only polite: what counts is the answer.
  const answer = await editor.evaluate<number>(`new Promise((resolve) =>
    $.ajax({ url: 'flows', type: 'POST', contentType: 'application/json', data: '[]' }).always(
      (first, text, second) => resolve((first.status ? first : second).status)))`);
  assert.is(answer, 401);
  assert.ok(editor.problems.every((problem) => /status of 401 .*\/flows\)$/.test(problem)));
  editor.problems.length = 0;

  const later = await site.enter();
  assert.is(await later.node(id).count(), 1);
});

test('an account of one customer has no business here', async () => {
  const editor = await site.open();
  assert.is(await editor.login('customer', password), 'Login failed');
});

test.run();
