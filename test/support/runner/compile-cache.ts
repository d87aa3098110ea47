import { mkdirSync, rmSync, statSync } from 'node:fs';

const oldestMs = 7 * 86_400_000;

/**
 * Lets Node keep compiled sources in a folder, for this process's children and for the programs that they start: a
 * gateway then starts with a third of the work. Node takes nothing from there for a source that has changed, but it
 * removes nothing either: a folder that is a week old is begun anew.
 */
export function keepCompiled(folder: string): void {
  const { birthtimeMs = Date.now() } = statSync(folder, { throwIfNoEntry: false }) ?? {};
  if (Date.now() - birthtimeMs > oldestMs) rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  process.env.NODE_COMPILE_CACHE ??= folder;
}
