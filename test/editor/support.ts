/** A gateway with the flow editor and people's accounts, and a browser to look at it. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { LocalSite } from '../local/support.ts';
import { EditorPage, startBrowser } from '../support/browser.ts';
import { cleanEnvironment, holdfast } from '../support/site/program.ts';
import { freePort } from '../support/temporary.ts';

/** Everybody's. */
export const password = 'a password of a test';
export const languages = ['en-US', 'zh-CN'] as const;
export type Language = (typeof languages)[number];

const nodes = join(import.meta.dirname, '../../nodes');
const manifest = JSON.parse(readFileSync(join(nodes, 'package.json'), 'utf8')) as {
  'node-red': { nodes: Record<string, string> };
};
/** The types of the palette, in the order of the manifest. */
export const allTypes = Object.keys(manifest['node-red'].nodes);
/** Configuration nodes are not in the palette: other nodes refer to them. */
export const configTypes = ['holdfast-gateway', 'holdfast-serial-port'];
export const paletteTypes = allTypes.filter((type) => !configTypes.includes(type));

/** What the editor is served for a language: the built palette. */
export function localeFile(type: string, language: Language, extension: 'json' | 'html'): string {
  const name = type.replace('holdfast-', '');
  return readFileSync(join(nodes, 'dist', name, 'locales', language, `${name}.${extension}`), 'utf8');
}

/** The label of a type in the palette. */
export function paletteLabel(type: string, language: Language): string {
  const [texts] = Object.values(JSON.parse(localeFile(type, language, 'json')) as Record<string, { palette: string }>);
  return texts!.palette;
}

export class EditorSite {
  readonly site: LocalSite;
  readonly url: string;
  readonly #pages = new Set<EditorPage>();
  #browser: Browser | undefined;

  private constructor(port: number) {
    this.url = `http://127.0.0.1:${port}`;
    this.site = new LocalSite({
      HOLDFAST_FLOWS_EDITOR_ENABLED: 'true',
      HOLDFAST_FLOWS_EDITOR_HOST: '127.0.0.1',
      HOLDFAST_FLOWS_EDITOR_PORT: String(port),
    });
  }

  /** Starts everything, with an account `owner` that may change flows. */
  static async start(): Promise<EditorSite> {
    const made = new EditorSite(await freePort());
    const browser = startBrowser();
    await made.site.start();
    await made.addAccount('owner', '--customer', '*', '--role', 'authorizer');
    made.#browser = await browser;
    return made;
  }

  /** An account of the box, as `holdfast user` makes it. */
  async addAccount(name: string, ...options: string[]): Promise<void> {
    const words = ['user', 'add', name, ...options, '--gateway', '--data', this.site.folder.file('box')];
    const child = spawn(holdfast, words, { env: cleanEnvironment, stdio: ['pipe', 'ignore', 'pipe'] });
    let errors = '';
    child.stderr.on('data', (bytes) => {
      errors += bytes;
    });
    child.stdin.end(`${password}\n`);
    const code = await new Promise((resolve) => child.once('close', resolve));
    if (code !== 0) throw new Error(errors);
  }

  /** The login dialog. */
  async open(language = 'en-US'): Promise<EditorPage> {
    const editor = await EditorPage.open({ browser: this.#browser!, url: this.url, locale: language });
    this.#pages.add(editor);
    return editor;
  }

  /** The editor, for somebody who may change flows. */
  async enter(language = 'en-US'): Promise<EditorPage> {
    const editor = await this.open(language);
    const refusal = await editor.login('owner', password);
    if (refusal !== undefined) throw new Error(refusal);
    return editor;
  }

  /** Closes the pages. Rejects when one of them has complained of something. */
  async closePages(): Promise<void> {
    const problems = [...this.#pages].flatMap((page) => page.problems);
    for (const page of this.#pages) await page.close();
    this.#pages.clear();
    if (problems.length > 0) throw new Error(problems.join('\n'));
  }

  async stop(): Promise<void> {
    await this.#browser?.close();
    await this.site.stop();
  }
}
