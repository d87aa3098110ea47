/**
 * A folder with only those of RabbitMQ's applications that a server needs. In the folder of an installation there are
 * seventy, and Erlang looks into each of them for every module that it loads: that is a sixth of a start's work.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Makes `folder` with links to the server's own applications, to `plugins` and to all that they need. False, and
 * nothing made, when the installation that `server` (the script that starts it) belongs to is built in another way.
 */
export function linkPlugins(server: string, plugins: readonly string[], folder: string): boolean {
  const installed = join(realpathSync(server), '../../plugins');
  if (!existsSync(installed)) return false;
  const folders = new Map(readdirSync(installed).map((name) => [name.replace(/-[^-]*$/, ''), name]));
  const needed = new Set(['rabbit', 'rabbitmq_prelaunch', ...plugins]);
  for (const name of needed) {
    const at = folders.get(name);
    const file = join(installed, at ?? '', 'ebin', `${name}.app`);
    if (at === undefined || !existsSync(file)) return false;
    const [, list = ''] = /\{applications,\s*\[([^\]]*)\]/.exec(readFileSync(file, 'utf8')) ?? [];
    // The others are Erlang's own.
    for (const [other] of list.matchAll(/\w+/g)) if (folders.has(other)) needed.add(other);
  }
  mkdirSync(folder);
  for (const name of needed) symlinkSync(join(installed, folders.get(name)!), join(folder, folders.get(name)!));
  return true;
}
