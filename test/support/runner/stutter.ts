import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Stops what runs below this process for up to a quarter of a second, again and again: all of it at once, as a busy host
 * does with its guests, and as often one process alone, so that what two of them do comes in another order. A test that
 * takes some ms for long enough for an answer fails then, and a program that takes a stall for an outage shows it. What
 * a test has stopped itself stays stopped. Resolves once `signal` is aborted, with everything going on.
 */
export async function stutter(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await pause(50 + 550 * Math.random(), signal);
    const running = descendants(process.pid);
    const one = running[Math.floor(Math.random() * running.length)];
    const stopped = one === undefined || Math.random() < 0.5 ? running : [one];
    for (const pid of stopped) send(pid, 'SIGSTOP');
    await pause(30 + 220 * Math.random(), signal);
    for (const pid of stopped) send(pid, 'SIGCONT');
  }
}

const pause = (ms: number, signal: AbortSignal) => sleep(ms, undefined, { signal }).catch(() => {});

/** The processes below one that are not stopped, parents first, so that none is born unseen of one that is still running. */
function descendants(root: number): number[] {
  const children = new Map<number, Process[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const process = look(name);
    if (process === undefined) continue;
    const siblings = children.get(process.parent);
    if (siblings === undefined) children.set(process.parent, [process]);
    else siblings.push(process);
  }
  const found = [...(children.get(root) ?? [])];
  for (const { pid } of found) found.push(...(children.get(pid) ?? []));
  return found.filter(({ isStopped }) => !isStopped).map(({ pid }) => pid);
}

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly isStopped: boolean;
}

/** Fields 3 and 4 of proc_pid_stat(5), counted behind the name, which may hold blanks; undefined when it is gone. */
function look(pid: string): Process | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { pid: Number(pid), parent: Number(parent), isStopped: state === 'T' };
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
