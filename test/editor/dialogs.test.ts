// deadline: 300s
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { EditorPage } from '../support/browser.ts';
import { closeConfigDialog, closeDialog, helpFrom, openConfigDialog, openDialog, readThrough } from './dialogs.ts';
import { EditorSite, paletteLabel, paletteTypes } from './support.ts';

const test = suite('editor: dialogs');
let site: EditorSite;

test.before(async () => {
  site = await EditorSite.start();
});
test.after(() => site.stop());
test.after.each(() => site.closePages());

const isValid = (editor: EditorPage, id: string) => editor.evaluate<boolean>(`RED.nodes.node('${id}').valid !== false`);
/** The fields that a dialog marks as wrong. */
const wrongFields = (editor: EditorPage) =>
  editor.evaluate<string[]>(`$('.red-ui-tray:last .input-error').map((i, { id }) => id).get()`);

/** The property of a node that refers to a configuration node, and that one's type. */
const referenceOf = (editor: EditorPage, type: string) =>
  editor.evaluate<[string, string] | undefined>(`Object.entries(RED.nodes.getType('${type}').defaults)
    .filter(([, { type }]) => type).map(([name, { type }]) => [name, type])[0]`);

/** What has to be entered, besides a configuration node, before a node is complete. */
const entries: Record<string, Record<string, string>> = {
  'holdfast-serial-port': { 'node-config-input-uri': 'sim:one' },
  'holdfast-authorize': {
    'node-input-serial': 'SN1',
    'node-input-model': 'P440',
    'node-input-machine': '1号机',
    'node-input-address': '重庆',
    'node-input-customer': '重庆达优',
  },
  'holdfast-gpio-in': { 'node-input-line': '17' },
  'holdfast-gpio-out': { 'node-input-line': '27' },
};

test('each says what is missing, and is complete with it', async () => {
  const editor = await site.enter();
  const made = new Map<string, string>();
  for (const [index, type] of paletteTypes.entries()) {
    const id = await editor.drop(type, 120 + (index % 3) * 220, 80 + Math.floor(index / 3) * 100);
    const reference = await referenceOf(editor, type);
    const fields = Object.entries(entries[type] ?? {});
    const missing = [...(reference ? [`node-input-${reference[0]}`] : []), ...fields.map(([field]) => field)];
    assert.is(await isValid(editor, id), missing.length === 0, `${type} as it comes`);
    await openDialog(editor, id);
    assert.equal(await wrongFields(editor), missing, type);
    await readThrough(editor, type, 'en-US');
    const help = await helpFrom(editor);
    assert.ok(help.startsWith(paletteLabel(type, 'en-US')), `the help of ${type} is ${help.slice(0, 40)}`);
    if (reference) await chooseConfig(editor, reference, made);
    for (const [field, value] of fields) await editor.page.fill(`#${field}`, value);
    await closeDialog(editor, 'ok');
    assert.ok(await isValid(editor, id), `${type} with everything entered`);
    if (reference) assert.is(await editor.evaluate(`RED.nodes.node('${id}').${reference[0]}`), made.get(reference[1]));
  }
});

/** Makes a configuration node with the first node that needs one; the others take the same. */
async function chooseConfig(editor: EditorPage, [property, type]: [string, string], made: Map<string, string>) {
  const field = `#node-input-${property}`;
  const known = made.get(type);
  if (known !== undefined) return void (await editor.page.selectOption(field, known));
  await openConfigDialog(editor, property);
  await readThrough(editor, type, 'en-US');
  for (const [entry, value] of Object.entries(entries[type] ?? {})) await editor.page.fill(`#${entry}`, value);
  await closeConfigDialog(editor);
  const id = await editor.page.inputValue(field);
  assert.ok(await isValid(editor, id), `${type} with everything entered`);
  made.set(type, id);
}

test('cancel changes nothing', async () => {
  const editor = await site.enter();
  const id = await editor.drop('holdfast-wifi', 300, 200);
  const name = () => editor.evaluate(`RED.nodes.node('${id}').name`);
  await openDialog(editor, id);
  await editor.page.fill('#node-input-name', 'radio');
  await closeDialog(editor, 'cancel');
  assert.is(await name(), '');
  await openDialog(editor, id);
  await editor.page.fill('#node-input-name', 'radio');
  await closeDialog(editor, 'ok');
  assert.is(await name(), 'radio');
});

test.run();
