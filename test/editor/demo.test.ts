import type { Browser } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { demoPorts, killDemos, RunningDemo } from '../demo/support.ts';
import { EditorPage, startBrowser } from '../support/browser.ts';
import { freePort, temporaryFolder } from '../support/temporary.ts';
import { until } from '../support/until.ts';

const test = suite('editor: the demo');
const folder = temporaryFolder();
let demo: RunningDemo;
let browser: Browser;
let editor: EditorPage;

test.before(async () => {
  demo = new RunningDemo(folder.path, [], {
    HOLDFAST_SITE_LANGUAGE: 'en',
    ...(await demoPorts()),
    HOLDFAST_FLOWS_EDITOR_PORT: String(await freePort()),
  });
  browser = await startBrowser();
  await demo.until(({ accepted }) => accepted > 0, 'a report');
  const welcome = demo.lines.join('\n');
  editor = await EditorPage.open({
    browser,
    url: welcome.match(/flows +(http\S+)/)![1]!,
    width: 1600,
    height: 1000,
  });
  assert.is(await editor.login('demo', welcome.match(/password (\w+)/)![1]!), undefined);
});
test.after(async () => {
  await browser.close();
  demo.say('quit');
  await demo.exit;
  killDemos();
});
test.after.each(() => assert.is(editor.problems.join('\n'), ''));

const idOf = (name: string) =>
  editor.evaluate<string>(`RED.nodes.filterNodes({}).find((node) => node.name === ${JSON.stringify(name)}).id`);
const status = async (name: string, pattern: RegExp) =>
  editor.statusUntil(await idOf(name), (text) => pattern.test(text));

test('its flow is open, deployed and running when a new user logs in', async () => {
  assert.is(await editor.evaluate('RED.workspaces.count()'), 1);
  assert.is(await editor.evaluate('RED.nodes.dirty()'), false);
  const wrong = await editor.evaluate(`RED.nodes.filterNodes({}).filter(({ valid }) => valid === false)
    .map(({ type, name }) => type + ' ' + name)`);
  assert.equal(wrong, []);
  await status('now', /^printer-000\d /);
  await status('on the disk', /^\d+$/);
  await status('in the database', /^\d+$/);
  await status('connected', /^true$/);
});

test('all of it is to be seen at once, and nothing lies on something else', async () => {
  const canvas = (await editor.page.locator('#red-ui-workspace-chart').boundingBox())!;
  const boxes = await Promise.all(
    (await editor.page.locator('g.red-ui-flow-node-group').all()).map(async (node) => (await node.boundingBox())!),
  );
  assert.ok(boxes.length > 20);
  for (const [index, box] of boxes.entries()) {
    assert.ok(box.x >= canvas.x && box.x + box.width <= canvas.x + canvas.width, 'within the width');
    assert.ok(box.y >= canvas.y && box.y + box.height <= canvas.y + canvas.height, 'within the height');
    for (const other of boxes.slice(index + 1)) {
      const apart =
        box.x + box.width <= other.x ||
        other.x + other.width <= box.x ||
        box.y + box.height <= other.y ||
        other.y + other.height <= box.y;
      assert.ok(apart, `${JSON.stringify(box)} and ${JSON.stringify(other)}`);
    }
  }
});

test('its button asks the centre, and the relay follows', async () => {
  const button = editor.node(await idOf('press the button')).locator('.red-ui-flow-node-button-button');
  const answeredBy = await idOf('answered by');
  const whyNot = await idOf('why not');
  let said = '';
  // The demo authorizes a printer when the centre knows it: whoever presses before that presses again.
  await until(
    async () => {
      await button.click();
      await editor.page.waitForTimeout(1500);
      said = await editor.statusOf(whyNot);
      return /^centre$/.test(await editor.statusOf(answeredBy));
    },
    () => `granted by the centre; why not: ${said}`,
    60_000,
  );
  assert.match(await editor.statusOf(await idOf('may it print?')), /granted/);
  await status('relay', /./);
});

test.run();
