/**
 * Makes the documentation's pictures of the flow editor anew: `bin/node scripts/pictures.ts [folder]`, by default
 * docs/pictures. Needs Chromium, `npm run build`, and for the Chinese ones a font such as Debian's fonts-wqy-zenhei.
 */
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { demoPorts, killDemos, RunningDemo } from '../test/demo/support.ts';
import { EditorPage, startBrowser } from '../test/support/browser.ts';
import { freePort, temporaryFolder } from '../test/support/temporary.ts';

const folder = process.argv[2] ?? join(import.meta.dirname, '../docs/pictures');
/** Nodes of flows/demo whose marks shall be there before a picture is taken. */
const marked = { 'on the disk': /\d/, 'answered by': /centre/, connected: /true/ };

async function open(browser: Browser, locale: string, demo: RunningDemo): Promise<EditorPage> {
  const url = demo.lines.join('\n').match(/flows +(http\S+)/)![1]!;
  const password = demo.lines.join('\n').match(/password (\w+)/)![1]!;
  const editor = await EditorPage.open({ browser, url, locale, width: 1600, height: 1000 });
  await editor.login('demo', password);
  // Only our own category of the palette is open.
  await editor.evaluate(`$('#red-ui-palette-container .red-ui-palette-category .expanded').parent().trigger('click')`);
  await editor.page.click('#red-ui-palette-header-Holdfast');
  return editor;
}

async function idOf(editor: EditorPage, name: string): Promise<string> {
  return editor.evaluate(`RED.nodes.filterNodes({}).find((node) => node.name === ${JSON.stringify(name)}).id`);
}

async function take(editor: EditorPage, name: string): Promise<void> {
  const path = join(folder, name);
  await editor.page.mouse.move(700, 960);
  await editor.evaluate(`$('#red-ui-notifications').hide()`);
  await editor.page.waitForTimeout(1000);
  await editor.page.screenshot({ path });
  console.log(`${path}: ${Math.round(statSync(path).size / 1024)} KiB`);
}

const data = temporaryFolder('holdfast-pictures-');
mkdirSync(folder, { recursive: true });
const browser = await startBrowser();
const demo = new RunningDemo(data.path, [], {
  ...(await demoPorts()),
  HOLDFAST_FLOWS_EDITOR_PORT: String(await freePort()),
});
try {
  await demo.until(({ accepted }) => accepted > 20, 'reports of the printers');
  // The dialog comes last: the sidebar as it is arranged for it is kept for the user.
  for (const locale of ['zh-CN', 'en-US']) {
    const editor = await open(browser, locale, demo);
    const button = await idOf(editor, 'press the button');
    await editor.node(button).locator('.red-ui-flow-node-button-button').click();
    for (const [name, pattern] of Object.entries(marked)) {
      await editor.statusUntil(await idOf(editor, name), (text) => pattern.test(text));
    }
    const stored = await editor.statusOf(await idOf(editor, 'on the disk'));
    await editor.statusUntil(await idOf(editor, 'in the database'), (text) => Number(text) >= Number(stored));
    await take(editor, locale === 'en-US' ? 'demo-flow.png' : `demo-flow.${locale}.png`);
    if (locale === 'en-US') {
      const report = await editor.evaluate<string>(`RED.nodes.filterNodes({ type: 'holdfast-report' })[0].id`);
      await editor.node(report).dblclick();
      await editor.page.locator('.red-ui-tray-footer .fa-book').click();
      await editor.help();
      // Room for the help: no list of topics, and the boundary to the debug messages further down.
      await editor.page.click('#red-ui-sidebar-help-show-toc');
      await editor.page.mouse.move(1446, 354);
      await editor.page.mouse.down();
      await editor.page.mouse.move(1446, 760, { steps: 5 });
      await editor.page.mouse.up();
      await take(editor, 'report-dialog.png');
    }
    await editor.close();
  }
} finally {
  await browser.close();
  demo.say('quit');
  await demo.exit;
  killDemos();
  data.remove();
}
