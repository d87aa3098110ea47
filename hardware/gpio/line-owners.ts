import { GpioError } from './errors.ts';

const owners = new Map<string, string>();

/**
 * Notes that `owner` uses a line, for the whole process: the kernel keeps other programs out, but over sysfs not
 * another part of this one. The returned function releases it; again does nothing.
 *
 * @throws GpioError `busy` with the name of who uses it
 */
export function takeLine({ chip, line, owner }: { chip: string; line: number; owner: string }): () => void {
  const key = `${chip}\n${line}`;
  const other = owners.get(key);
  if (other !== undefined) throw new GpioError('busy', `line ${line} is already used by ${other}`);
  owners.set(key, owner);
  let released = false;
  return () => {
    if (released) return;
    released = true;
    owners.delete(key);
  };
}

/** Who uses which line in this process. */
export function lineOwners(): { chip: string; line: number; owner: string }[] {
  return [...owners].map(([key, owner]) => {
    const [chip = '', line = ''] = key.split('\n');
    return { chip, line: Number(line), owner };
  });
}
