/**
 * Folders and ports that a test may use without meeting another test. Everything here is gone when the process ends,
 * orderly or not; a folder may be removed earlier.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder that only this test knows. */
export interface TemporaryFolder {
  readonly path: string;
  /** The path of a name inside the folder. */
  file(name: string): string;
  /** Removes the folder and all in it; again does nothing. */
  remove(): void;
}

const folders = new Set<string>();
process.on('exit', () => {
  // What a campaign left behind is evidence: HOLDFAST_TEST_KEEP=1 leaves it where it is.
  if (process.env.HOLDFAST_TEST_KEEP !== undefined) return;
  for (const path of folders) rmSync(path, { recursive: true, force: true });
});

/** Makes an empty folder under the system's temporary folder; removed at the latest when the process exits. */
export function temporaryFolder(prefix = 'holdfast-'): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), prefix));
  folders.add(path);
  return {
    path,
    file: (name) => join(path, name),
    remove() {
      rmSync(path, { recursive: true, force: true, maxRetries: 5 });
      folders.delete(path);
    },
  };
}

/**
 * Ports are drawn below the range that the kernel gives to outgoing connections: one from that range may be taken by
 * anybody's connection while a server restarts, and a client that tries it again and again may even meet itself.
 */
const lowestPort = 10_240;
const highestPort = 32_000;
const given = new Set<number>();

/** A TCP port that nobody listens on now and that this process has not been given before. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = lowestPort + Math.floor(Math.random() * (highestPort - lowestPort));
    if (!given.has(port) && (await isFree(port))) {
      given.add(port);
      return port;
    }
  }
}

/** As many different free ports as asked for. */
export function freePorts(count: number): Promise<number[]> {
  return Promise.all(Array.from({ length: count }, freePort));
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '0.0.0.0', () => server.close(() => resolve(true)));
  });
}
