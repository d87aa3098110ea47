// deadline: 300s
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { closeConfigDialog, closeDialog, helpFrom, openConfigDialog, openDialog, readThrough } from './dialogs.ts';
import { EditorSite, paletteLabel, paletteTypes } from './support.ts';

const test = suite('editor: dialogs in Chinese');
let site: EditorSite;

test.before(async () => {
  site = await EditorSite.start();
});
test.after(() => site.stop());
test.after.each(() => site.closePages());

test('every text of every dialog is there', async () => {
  const editor = await site.enter('zh-CN');
  const configurations = new Map([
    ['holdfast-report', ['gateway', 'holdfast-gateway']],
    ['holdfast-serial-in', ['port', 'holdfast-serial-port']],
  ] as const);
  for (const [index, type] of paletteTypes.entries()) {
    const id = await editor.drop(type, 120 + (index % 3) * 220, 80 + Math.floor(index / 3) * 100);
    await openDialog(editor, id);
    await readThrough(editor, type, 'zh-CN');
    const help = await helpFrom(editor);
    assert.ok(help.startsWith(paletteLabel(type, 'zh-CN')), `the help of ${type} is ${help.slice(0, 40)}`);
    const configuration = configurations.get(type as 'holdfast-report');
    if (configuration) {
      await openConfigDialog(editor, configuration[0]);
      await readThrough(editor, configuration[1], 'zh-CN');
      await closeConfigDialog(editor);
    }
    await closeDialog(editor, 'cancel');
  }
});

test.run();
