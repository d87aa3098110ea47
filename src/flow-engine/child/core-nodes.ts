import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { WithheldNode } from '../types.ts';

/** The files behind the words of `flows.allowNodes`. */
const withheldFiles: Readonly<Record<WithheldNode, string>> = {
  exec: '90-exec.js',
  file: '10-file.js',
  watch: '23-watch.js',
  tcp: '31-tcpin.js',
  udp: '32-udp.js',
  websocket: '22-websocket.js',
  'http-in': '21-httpin.js',
  'http-proxy': '06-httpproxy.js',
  html: '70-HTML.js',
};

/** Files that no flow names and that the runtime still counts on. */
const always = ['05-junction.js', '98-unknown.js', '91-global-config.js'];

/** Files that are left out, whatever a flow says. */
export function withheld(allowed: readonly WithheldNode[]): { word: WithheldNode; file: string }[] {
  return Object.entries(withheldFiles)
    .map(([word, file]) => ({ word: word as WithheldNode, file }))
    .filter(({ word }) => !allowed.includes(word));
}

/**
 * Which file brings each type of Node-RED's own nodes: the dialog beside it names them. Without the editor only what the
 * flow uses is loaded, which is most of what a headless engine saves.
 */
export async function coreTypes(folder: string): Promise<Map<string, string>> {
  const core = join(folder, 'core');
  const names = (await readdir(core, { recursive: true })).filter((name) => name.endsWith('.html'));
  const types = new Map<string, string>();
  await Promise.all(
    names.map(async (name) => {
      const text = await readFile(join(core, name), 'utf8');
      const file = name.replace(/^.*\//, '').replace(/html$/, 'js');
      for (const [, type] of text.matchAll(/data-template-name\s*=\s*['"]([^'"]*)['"]/g)) types.set(type!, file);
    }),
  );
  return types;
}

/**
 * What Node-RED may load for a flow (`nodesIncludes`): the files of its types, every file in the folder's own `nodes`,
 * and, by the names of their folders, the palette and the modules that are installed.
 */
export async function namesFor(options: {
  flowTypes: Iterable<string>;
  types: ReadonlyMap<string, string>;
  folder: string;
  paletteFolder: string | undefined;
}): Promise<string[]> {
  const { flowTypes, types, folder, paletteFolder } = options;
  const names = new Set([...always, ...(await namesIn(join(folder, 'nodes')))]);
  if (paletteFolder !== undefined) names.add(basename(paletteFolder));
  const modules = join(folder, 'node_modules');
  for (const name of await namesIn(modules)) {
    for (const inner of name.startsWith('@') ? await namesIn(join(modules, name)) : [name]) names.add(inner);
  }
  for (const type of flowTypes) if (types.has(type)) names.add(types.get(type)!);
  return [...names];
}

function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
