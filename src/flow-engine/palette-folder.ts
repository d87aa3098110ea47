import { createRequire } from 'node:module';
import { dirname } from 'node:path';

/** Where the palette is installed; undefined when it is not. */
export function paletteFolder(): string | undefined {
  try {
    return dirname(createRequire(import.meta.url).resolve('@holdfast/node-red/package.json'));
  } catch {
    return undefined;
  }
}
