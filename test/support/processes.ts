/**
 * Programs that tests start. They end with this process, however that ends: the kernel kills them (setpriv), and where
 * that is missing, this process does at its exit.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';

const setpriv = '/usr/bin/setpriv';
const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** Starts a program that ends with this process. */
export function spawnWithUs(command: string, words: readonly string[], options: SpawnOptions): ChildProcess {
  const guard = existsSync(setpriv) ? [setpriv, '--pdeathsig', 'KILL', '--', command] : [command];
  const child = spawn(guard[0]!, [...guard.slice(1), ...words], options);
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

/** A test that has said everything ends; the program does not hold it back. */
export function letGo(child: ChildProcess): ChildProcess {
  child.unref();
  for (const stream of [child.stdout, child.stderr]) (stream as { unref?(): void } | null)?.unref?.();
  return child;
}

/** Ends a program by its id, after `deadlineMs` with SIGKILL; resolves when it is gone. */
export async function endProcess(
  child: ChildProcess | undefined,
  signal: NodeJS.Signals,
  deadlineMs: number,
): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs);
  await gone;
  clearTimeout(timer);
}

/** True when something takes connections on that port of 127.0.0.1. */
export function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const done = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1000, () => done(false));
    socket.once('error', () => done(false));
    socket.once('connect', () => done(true));
  });
}
