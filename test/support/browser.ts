/**
 * The flow editor in a real Chromium (Debian's, or `HOLDFAST_TEST_CHROMIUM`), for tests and for the documentation's
 * pictures. Whatever the page complains of is kept in `problems`; a test ends with none.
 */
import { accessSync } from 'node:fs';
import { type Browser, type BrowserContext, chromium, type Locator, type Page } from 'playwright-core';

const executablePath = process.env.HOLDFAST_TEST_CHROMIUM ?? '/usr/bin/chromium';
const switches = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const waitMs = 20_000;
/** What is said although all is as it should be. */
const noise = [
  // Node-RED's rotating hints, when their timer is quicker than the sidebar that shall show them (5.0.7); the only frame.
  /^page error: TypeError: Cannot read properties of undefined \(reading 'html'\)\n\s*at a \(\S+\/red\/red\.min\.js\S*\)$/,
  // The page asks before anybody has logged in.
  /status of 401 .*\/settings\b/,
  // A login that is refused; `login` says so.
  /status of 403 .*\/auth\/token\)$/,
];

/** Starts a browser with an empty profile, which is removed with it. */
export async function startBrowser(): Promise<Browser> {
  try {
    accessSync(executablePath);
  } catch {
    throw new Error(`no Chromium at ${executablePath}: npm run setup installs it, or set HOLDFAST_TEST_CHROMIUM`);
  }
  return chromium.launch({ executablePath, headless: true, chromiumSandbox: false, args: switches });
}

/** How an editor is opened. */
export interface EditorPageOptions {
  readonly browser: Browser;
  readonly url: string;
  /** Of the browser; the editor follows it. */
  readonly locale?: string;
  readonly width?: number;
  readonly height?: number;
}

/** A node of the palette, as a person sees it. */
export interface PaletteEntry {
  readonly type: string;
  readonly label: string;
}

/** One page of the editor, with a session of its own. */
export class EditorPage {
  /** Errors of the page and of its console, and answers of the server that were none. */
  readonly problems: string[] = [];
  readonly page: Page;
  readonly #context: BrowserContext;

  private constructor(context: BrowserContext, page: Page) {
    this.#context = context;
    this.page = page;
    page.setDefaultTimeout(waitMs);
    page.on('pageerror', (error) => {
      const text = `page error: ${error.stack ?? error.message}`;
      if (!noise.some((known) => known.test(text))) this.problems.push(text);
    });
    page.on('console', (message) => {
      const text = `console: ${message.text()} (${message.location().url})`;
      if (message.type() === 'error' && !noise.some((known) => known.test(text))) this.problems.push(text);
    });
    page.on('requestfailed', (request) => {
      this.problems.push(`request: ${request.url()} ${request.failure()?.errorText}`);
    });
  }

  static async open({ browser, url, locale = 'en-US', width = 1280, height = 900 }: EditorPageOptions) {
    const context = await browser.newContext({
      locale,
      viewport: { width, height },
      reducedMotion: 'reduce',
    });
    const page = await context.newPage();
    const editor = new EditorPage(context, page);
    await untilItAnswers(url);
    await page.goto(url);
    await page.locator('#node-dialog-login-username').waitFor();
    return editor;
  }

  /** Resolves with what the login dialog says when it refuses, with undefined once the editor is there. */
  async login(name: string, password: string): Promise<string | undefined> {
    await this.page.fill('#node-dialog-login-username', name);
    await this.page.fill('#node-dialog-login-password', password);
    const answered = this.page.waitForResponse((response) => response.url().endsWith('/auth/token'));
    await this.page.click('#node-dialog-login-submit');
    if ((await answered).status() !== 200) {
      const refusal = this.page.locator('#node-dialog-login-failed');
      await refusal.waitFor();
      return (await refusal.textContent())!;
    }
    await this.loaded();
    return undefined;
  }

  /** Resolves once flow and palette are drawn. */
  async loaded(): Promise<void> {
    await this.page.locator('#red-ui-palette-container .red-ui-palette-node').first().waitFor();
    await this.page.locator('#red-ui-loading-progress').waitFor({ state: 'hidden' });
  }

  /** What a category of the palette holds, in its order. */
  async palette(category: string): Promise<PaletteEntry[]> {
    const nodes = this.page.locator(`#red-ui-palette-${category} .red-ui-palette-node`);
    const entries: PaletteEntry[] = [];
    for (const node of await nodes.all()) {
      const type = (await node.getAttribute('data-palette-type'))!;
      entries.push({ type, label: (await node.locator('.red-ui-palette-label').innerText()).trim() });
    }
    return entries;
  }

  /** What the sidebar's help shows. */
  async help(): Promise<string> {
    const help = this.page.locator('.red-ui-sidebar-help-stack .red-ui-help').first();
    await help.waitFor();
    return (await help.innerText()).trim();
  }

  /** A node on the canvas. */
  node(id: string): Locator {
    return this.page.locator(`g.red-ui-flow-node-group[id="${id}"]`);
  }

  /** The text of the small mark below a node; empty without one. */
  async statusOf(id: string): Promise<string> {
    const label = this.node(id).locator('.red-ui-flow-node-status-label');
    return (await label.count()) === 0 ? '' : ((await label.textContent()) ?? '').trim();
  }

  /** Resolves with the mark below a node once it is as wanted. */
  async statusUntil(id: string, isWanted: (text: string) => boolean): Promise<string> {
    const deadline = performance.now() + waitMs;
    for (;;) {
      const text = await this.statusOf(id);
      if (isWanted(text)) return text;
      if (performance.now() > deadline) throw new Error(`the status of ${id} is still "${text}"`);
      await this.page.waitForTimeout(50);
    }
  }

  /** Drags a node from the palette onto the canvas, to about there; resolves with its id. */
  async drop(type: string, x: number, y: number): Promise<string> {
    const before = new Set(await this.#nodeIds());
    const entry = this.page.locator(`.red-ui-palette-node[data-palette-type="${type}"]`);
    await entry.scrollIntoViewIfNeeded();
    const from = (await entry.boundingBox())!;
    const canvas = (await this.page.locator('#red-ui-workspace-chart').boundingBox())!;
    const { mouse } = this.page;
    await mouse.move(from.x + from.width / 2, from.y + from.height / 2);
    await mouse.down();
    await mouse.move(canvas.x + x - 40, canvas.y + y - 20, { steps: 4 });
    await mouse.move(canvas.x + x, canvas.y + y, { steps: 4 });
    await mouse.up();
    const id = (await this.#nodeIds()).find((each) => !before.has(each));
    if (id === undefined) throw new Error(`${type} did not arrive on the canvas`);
    await this.node(id).waitFor();
    return id;
  }

  async #nodeIds(): Promise<string[]> {
    return this.evaluate('RED.nodes.filterNodes({}).map(({ id }) => id)');
  }

  /** Presses the button and waits until the flows run. */
  async deploy(): Promise<void> {
    const answered = this.page.waitForResponse(
      (response) => response.url().endsWith('/flows') && response.request().method() === 'POST',
    );
    await this.page.click('#red-ui-header-button-deploy');
    const status = (await answered).status();
    if (status !== 200) throw new Error(`the deploy was answered with ${status}`);
    await this.page.locator('#red-ui-header-button-deploy.disabled').waitFor();
  }

  /** Evaluates an expression in the page; the editor's own object is `RED`. */
  async evaluate<Value>(expression: string): Promise<Value> {
    return (await this.page.evaluate(expression)) as Value;
  }

  async close(): Promise<void> {
    await this.#context.close();
  }
}

/** The engine opens its port after the gateway has started. */
async function untilItAnswers(url: string): Promise<void> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    const answer = await fetch(url).catch((error: Error) => error);
    if (answer instanceof Response) return;
    if (performance.now() > deadline) throw answer;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
