/** What the benchmarks ran on, read when they run: a figure without its computer is worth nothing. */
import { readFileSync, realpathSync } from 'node:fs';
import { availableParallelism, loadavg, release, tmpdir, totalmem } from 'node:os';

/** One sentence for people. */
export function describeMachine(): string {
  const { device, type } = mountOf(tmpdir());
  const gibibytes = Math.round(totalmem() / 2 ** 30);
  const cores = availableParallelism();
  return (
    `${processor()}, ${cores} ${cores === 1 ? 'core' : 'cores'}, ${gibibytes} GiB; Linux ${release()}; ` +
    `${type} on ${device}; Node.js ${process.versions.node}`
  );
}

/** Why the figures of now may be worthless; undefined when the computer is quiet. */
export function unrest(): string | undefined {
  const [load] = loadavg() as [number, number, number];
  return load > 0.3 * availableParallelism()
    ? `the load average is ${load.toFixed(2)}: something else is running`
    : undefined;
}

/** The mount that a path is on. */
export function mountOf(path: string): { point: string; device: string; type: string; number: string } {
  const real = `${realpathSync(path)}/`;
  let found = { point: '', device: 'unknown', type: 'unknown', number: '' };
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [mount, source] = line.split(' - ');
    const words = mount!.split(' ');
    const point = words[4];
    if (point === undefined || source === undefined) continue;
    const isOver = real.startsWith(point.endsWith('/') ? point : `${point}/`);
    if (!isOver || point.length < found.point.length) continue;
    const [type, device] = source.split(' ') as [string, string];
    found = { point, device, type, number: words[2]! };
  }
  return found;
}

/** Bytes written to a block device since it came, by its number `major:minor`; undefined when it is not counted. */
export function writtenToDevice(number: string): number | undefined {
  for (const line of readFileSync('/proc/diskstats', 'utf8').split('\n')) {
    const fields = line.trim().split(/\s+/);
    if (`${fields[0]}:${fields[1]}` === number) return Number(fields[9]) * 512;
  }
  return undefined;
}

function processor(): string {
  const text = readFileSync('/proc/cpuinfo', 'utf8');
  // ARM kernels name the board instead of the processor.
  return /^(?:model name|Model)\s*: (.+)$/m.exec(text)?.[1]?.trim() ?? process.arch;
}
