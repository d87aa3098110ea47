/**
 * Holdfast as an installed package has it: built, behind its own launcher, without the sources. Starting from the
 * sources costs time and memory that no box pays, so every gateway and centre that is measured is started from here.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../../..');
let launcher: string | undefined;

/** The path of `bin/holdfast` of the package; built at the first call (about 1 s). */
export function builtHoldfast(): string {
  launcher ??= build();
  return launcher;
}

function build(): string {
  const folder = join(root, '.cache/bench/package');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'bin'), { recursive: true });
  for (const name of ['bin/node', 'bin/holdfast', 'package.json']) copyFileSync(join(root, name), join(folder, name));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  try {
    execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.build.json', '--outDir', join(folder, 'dist')], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  } catch (error) {
    // It is written nevertheless; whether the types are right is for `npm run check` to say.
    console.error(`the types do not check:\n${(error as { stdout?: Buffer }).stdout}`);
  }
  return join(folder, 'bin/holdfast');
}
