/**
 * Builds what tests need and what takes longer than a test may: the database server, once, into the cache; and the
 * palette and the drivers, which a Node-RED loads only built, when a source is newer than what was built of it.
 * `npm test` and `npm run setup` call it; when everything is there it does nothing.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { prepareMongo } from './mongodb.ts';

const root = join(import.meta.dirname, '../..');
const workspaces = ['hardware', 'nodes'].map((name) => join(root, name));

/** When the newest file of a folder was written, in ms; 0 when there is none. */
function newest(folder: string, isLookedAt: (name: string) => boolean): number {
  if (!existsSync(folder)) return 0;
  const times = readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => isLookedAt(name))
    .map((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? newest(path, isLookedAt) : statSync(path).mtimeMs;
    });
  return Math.max(0, ...times);
}

const isSource = (name: string) => name !== 'dist' && name !== 'node_modules' && name !== 'examples';
const isStale = workspaces.some((folder) => newest(folder, isSource) > newest(join(folder, 'dist'), () => true));
if (isStale) execFileSync('npm', ['run', '--silent', 'build:nodes'], { cwd: root, stdio: 'inherit' });
await prepareMongo();
