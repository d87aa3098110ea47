import { type Program, startScript } from './processes.ts';

/** What the generator (mqtt-load.ts) shall do. */
export interface LoadOptions {
  readonly port: number;
  readonly clients: number;
  readonly inflight: number;
  /** How long it counts; instead of `count`. */
  readonly seconds?: number;
  /** How long it runs before it counts. */
  readonly warmup?: number;
  /** How many reports in all. */
  readonly count?: number;
  readonly replies?: boolean;
  readonly username?: string;
  readonly password?: string;
}

/** What the generator saw. */
export interface LoadResult {
  readonly perSecond: number;
  readonly acknowledged: number;
  readonly acknowledgedInAll: number;
  readonly replies: number;
  readonly seconds: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly closed: number;
}

let runs = 0;

/** Starts the generator in a process of its own. */
export function startLoad(options: LoadOptions): Program {
  // Machines of its own for each run: the same report sent again would be a repeat, and not be stored.
  const words = ['--payload', '512', '--serial', `run${process.pid}-${runs++}-`];
  for (const [name, value] of Object.entries(options)) {
    if (value === true) words.push(`--${name}`);
    else if (value !== undefined && value !== false) words.push(`--${name}`, String(value));
  }
  return startScript('mqtt-load.ts', words);
}

/** Runs the generator to its end. Rejects when a connection was closed: the figure would be of fewer clients. */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const result = await startLoad(options).json<LoadResult>();
  if (result.closed > 0) throw new Error(`the server closed ${result.closed} of the generator's connections`);
  if (options.replies && result.replies < result.acknowledged * 0.95) {
    throw new Error(`${result.replies} replies came to ${result.acknowledged} reports`);
  }
  return result;
}
