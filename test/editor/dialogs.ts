/** What a person does with a node's dialog, and what stands there to be read. */
import * as assert from 'uvu/assert';
import type { EditorPage } from '../support/browser.ts';
import type { Language } from './support.ts';

const top = '.red-ui-tray:last';

/** Names that are the same in every language. */
const proper = /^(SSID|URI|GPIO|CA)$/;

/** Opens a node's dialog as a person does. */
export async function openDialog(editor: EditorPage, id: string): Promise<void> {
  await editor.node(id).locator('rect.red-ui-flow-node').dblclick();
  await editor.page.locator('#node-dialog-ok').waitFor();
  await settle(editor);
}

/** Opens the dialog of a configuration node that a dialog refers to, to make a new one. */
export async function openConfigDialog(editor: EditorPage, property: string): Promise<void> {
  await editor.page.click(`#node-input-btn-${property}-add`);
  await editor.page.locator('#node-config-dialog-ok').waitFor();
  await settle(editor);
}

/** Presses a button, and waits until the dialog is away. */
export async function closeDialog(editor: EditorPage, button: 'ok' | 'cancel'): Promise<void> {
  await editor.page.click(`#node-dialog-${button}`);
  await editor.page.locator('.red-ui-tray').waitFor({ state: 'detached' });
}

/** Keeps a new configuration node, and waits until the dialog below is there again. */
export async function closeConfigDialog(editor: EditorPage): Promise<void> {
  await editor.page.click('#node-config-dialog-ok');
  await editor.page.locator('#node-dialog-ok').waitFor();
  await settle(editor);
}

/** A dialog cannot be closed while it slides in, 350 ms by the editor's own clock. */
async function settle(editor: EditorPage): Promise<void> {
  await editor.page.waitForTimeout(500);
}

/** All that stands in the uppermost dialog: texts, choices, placeholders, titles. */
export async function textsOf(editor: EditorPage): Promise<string[]> {
  return editor.evaluate(`(() => {
    const body = $('${top} .red-ui-tray-body');
    const texts = body.find('*').contents().filter((i, node) => node.nodeType === 3).map((i, node) => node.data).get();
    const attributes = ['placeholder', 'title', 'aria-label'].flatMap((name) =>
      body.find('[' + name + ']').map((i, node) => node.getAttribute(name)).get());
    return [...texts, ...attributes].map((text) => text.trim()).filter((text) => text !== '');
  })()`);
}

/** The labels of the fields. */
async function labelsOf(editor: EditorPage): Promise<string[]> {
  const labels = await editor.evaluate<string[]>(
    `$('${top} .red-ui-tray-body .form-row > label').map((i, label) => $(label).text().trim()).get()`,
  );
  return labels.filter((label) => label !== '');
}

interface Choice {
  readonly id: string;
  readonly value: string;
  readonly values: readonly string[];
}

/** Goes through every choice, because each may show other fields, and looks at every text. */
export async function readThrough(editor: EditorPage, type: string, language: Language): Promise<void> {
  const choices = await editor.evaluate<Choice[]>(
    `$('${top} .red-ui-tray-body .form-row select').map((i, { id, value, options }) =>
      ({ id, value, values: [...options].map((option) => option.value) })).get()`,
  );
  const choose = (id: string, value: string) =>
    editor.evaluate(`void $(${JSON.stringify(`#${id}`)}).val(${JSON.stringify(value)}).trigger('change')`);
  const texts = new Set(await textsOf(editor));
  for (const { id, value, values } of choices) {
    for (const each of values) {
      await choose(id, each);
      for (const text of await textsOf(editor)) texts.add(text);
    }
    await choose(id, value);
  }
  const keyed = new RegExp(`\\{\\{|\\}\\}|__\\w+__|\\[object|undefined|node-red:|^${type.replace('holdfast-', '')}\\.`);
  assert.equal(
    [...texts].filter((text) => keyed.test(text)),
    [],
    `${type}: no text, but`,
  );
  const labels = await labelsOf(editor);
  assert.ok(labels.length > 0, `${type} has no labels`);
  const foreign = labels.filter((label) => /\p{Script=Han}/u.test(label) !== (language === 'zh-CN'));
  assert.equal(
    foreign.filter((label) => !proper.test(label)),
    [],
    `${type}: not in ${language}`,
  );
}

/** Opens the help from a node's dialog, and resolves with it. */
export async function helpFrom(editor: EditorPage): Promise<string> {
  await editor.page.locator('.red-ui-tray').last().locator('.red-ui-tray-footer .fa-book').click();
  return editor.help();
}
