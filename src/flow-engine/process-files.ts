import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { join } from 'node:path';

/** Below everything that acknowledges; above nothing. */
const niceness = 10;

/** Memory of a process in bytes (RSS); undefined when it is gone. Not `statm`, whose pages are 16 KiB on a Pi 5. */
export async function residentBytes(pid: number): Promise<number | undefined> {
  try {
    const match = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'));
    return match === null ? undefined : Number(match[1]) * 1024;
  } catch {
    return undefined;
  }
}

/** Gives a process and all of its threads a low priority, and offers it first when the kernel runs out of memory. */
export function makeModest(pid: number): void {
  try {
    // On Linux each thread has a niceness of its own.
    for (const thread of readdirSync(`/proc/${pid}/task`)) setPriority(Number(thread), niceness);
    writeFileSync(`/proc/${pid}/oom_score_adj`, '500');
  } catch {
    // Gone already, or no Linux: it then runs as it is.
  }
}

/**
 * Ends what a killed gateway may have left: a child whose event loop is blocked does not hear that its parent has gone,
 * and two engines must never run the same flow.
 */
export function endLeftover(folder: string): boolean {
  try {
    const pid = Number(readFileSync(join(folder, 'engine.pid'), 'utf8'));
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    // By the end of its path: an update may have put the program elsewhere. The id alone may be anybody's by now.
    const isEngine = command.includes(folder) && command.some((part) => /flow-engine\/child\/main\.[jt]s$/.test(part));
    if (!Number.isInteger(pid) || pid <= 1 || !isEngine) return false;
    process.kill(pid, 'SIGKILL');
    return true;
  } catch {
    return false;
  }
}

/** Notes which process runs the flows of a folder. */
export function noteProcess(folder: string, pid: number): void {
  try {
    writeFileSync(join(folder, 'engine.pid'), String(pid), { mode: 0o600 });
  } catch {
    // A disk that takes nothing: the flows run all the same, and the child ends by itself when its gateway has gone.
  }
}
