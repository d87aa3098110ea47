/**
 * Puts beside each built Node-RED node what is not TypeScript: its dialog (.html), help and catalogues (locales).
 * Node-RED finds them by the name of the .js file.
 */
import { cpSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const nodes = join(import.meta.dirname, '../nodes');
for (const { name } of readdirSync(nodes, { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
  if (name === 'dist' || name === 'node_modules' || name === 'examples') continue;
  cpSync(join(nodes, name), join(nodes, 'dist', name), {
    recursive: true,
    filter: (source) => !source.endsWith('.ts'),
  });
}
