import { createInterface } from 'node:readline';

/** What can be asked of the demo while it runs. */
export type Control = 'uplink' | 'cut' | 'restore' | 'kill' | 'authorization' | 'button' | 'quit' | 'help';

const keys: Readonly<Record<string, Control>> = {
  u: 'uplink',
  k: 'kill',
  a: 'authorization',
  b: 'button',
  q: 'quit',
  // Ctrl-C and Ctrl-D, which a terminal in raw mode hands over like any key.
  '\u0003': 'quit',
  '\u0004': 'quit',
};

const words: Readonly<Record<string, Control>> = {
  u: 'uplink',
  uplink: 'uplink',
  cut: 'cut',
  restore: 'restore',
  k: 'kill',
  kill: 'kill',
  a: 'authorization',
  authorization: 'authorization',
  b: 'button',
  button: 'button',
  q: 'quit',
  quit: 'quit',
};

/**
 * Hears single keys on a terminal, and elsewhere lines with a word each; the end of the input says nothing. Returns what
 * stops listening and gives the terminal back.
 */
export function listen(input: NodeJS.ReadStream, onControl: (control: Control) => void): () => void {
  if (input.isTTY) {
    const onData = (data: Buffer) => {
      for (const key of data.toString()) onControl(keys[key.toLowerCase()] ?? 'help');
    };
    input.setRawMode(true);
    input.on('data', onData);
    return () => {
      input.off('data', onData);
      input.setRawMode(false);
      input.pause();
    };
  }
  const lines = createInterface({ input });
  lines.on('line', (line) => {
    const word = line.trim().toLowerCase();
    if (word !== '') onControl(words[word] ?? 'help');
  });
  return () => {
    lines.close();
    // A pipe that its writer keeps open would keep this process alive.
    input.destroy();
  };
}
