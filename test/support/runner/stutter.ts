import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Stops all that runs below this process for up to a quarter of a second, again and again, as a busy host does with its
 * guests: a test that takes some ms for long enough for an answer fails then, and a program that takes a stall for an
 * outage shows it. Resolves once `signal` is aborted, with everything going on.
 */
export async function stutter(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await pause(50 + 550 * Math.random(), signal);
    const stopped = descendants(process.pid);
    for (const pid of stopped) send(pid, 'SIGSTOP');
    await pause(30 + 220 * Math.random(), signal);
    for (const pid of stopped) send(pid, 'SIGCONT');
  }
}

const pause = (ms: number, signal: AbortSignal) => sleep(ms, undefined, { signal }).catch(() => {});

/** The processes below one, parents first, so that none is born unseen of one that is still running. */
function descendants(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = parentOf(name);
    if (parent === undefined) continue;
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [Number(name)]);
    else siblings.push(Number(name));
  }
  const found = [...(children.get(root) ?? [])];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found;
}

/** The fourth field of proc_pid_stat(5), counted behind the name, which may hold blanks; undefined when it is gone. */
function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}

function send(pid: number, signal: 'SIGSTOP' | 'SIGCONT'): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}
