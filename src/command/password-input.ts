import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { HoldfastError } from '../errors.ts';

/**
 * Reads one line: from a terminal after a prompt and without echo, else the first line of what is piped in. Throws
 * `usage` when it is empty, longer than 1024 characters, or when the person gives up (Ctrl-C, Ctrl-D).
 */
export async function readPassword(input: NodeJS.ReadStream, prompt: (line: string) => void): Promise<string> {
  if (input.isTTY) prompt('Password (not shown):');
  const silence = new Writable({ write: (_chunk, _encoding, done) => done() });
  // With `terminal`, readline switches the echo of the terminal off and writes the keys to `output`: into nothing.
  const lines = createInterface({ input, output: silence, terminal: input.isTTY === true });
  try {
    const password = await new Promise<string>((resolve) => {
      lines.once('line', resolve);
      lines.once('close', () => resolve(''));
      lines.once('SIGINT', () => resolve(''));
    });
    if (password === '') throw new HoldfastError('usage', 'there was no password');
    if (password.length > 1024) throw new HoldfastError('usage', 'a password has at most 1024 characters');
    return password;
  } finally {
    lines.close();
    input.pause();
  }
}
