import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EditorSite, languages, localeFile, paletteLabel, paletteTypes } from './support.ts';

const test = suite('editor: palette');
const chinese = /\p{Script=Han}/u;
let site: EditorSite;

test.before(async () => {
  site = await EditorSite.start();
});
test.after(() => site.stop());
test.after.each(() => site.closePages());

for (const language of languages) {
  test(`every node is in the category Holdfast, with label and help: ${language}`, async () => {
    const editor = await site.enter(language);
    const palette = await editor.palette('Holdfast');
    assert.equal(palette.map(({ type }) => type).sort(), paletteTypes.toSorted());
    for (const { type, label } of palette) {
      // The label is broken into lines where it is long.
      assert.is(label.replace(/\s+/g, ' '), paletteLabel(type, language), type);
    }
    for (const type of paletteTypes) {
      await editor.evaluate(`RED.sidebar.help.show(${JSON.stringify(type)})`);
      const shown = await editor.help();
      assert.ok(shown.length > 80, `${type} has no help`);
      const title = paletteLabel(type, language);
      assert.ok(shown.startsWith(title), `the help of ${type} is not headed ${title}`);
      assert.is(chinese.test(shown), language === 'zh-CN' || chinese.test(localeFile(type, language, 'html')), type);
    }
  });
}

test('another language gets English', async () => {
  const editor = await site.enter('de-DE');
  const labels = (await editor.palette('Holdfast')).map(({ label }) => label.replace(/\s+/g, ' '));
  assert.ok(labels.includes(paletteLabel('holdfast-machine-message', 'en-US')), labels.join());
});

test.run();
