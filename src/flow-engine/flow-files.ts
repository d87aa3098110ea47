/**
 * The flow on disk: the one that runs, the one that is known to be good, and those that were taken back.
 *
 * Invariants: `known-good/` is replaced as a whole; at each instant either it or `known-good.old/` is whole. A flow that
 * is taken back is kept beside (five at most) before anything replaces it.
 * Failure behaviour: rejects with Node's error; what is on disk then is still one of the two flows.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, rename, rm, unlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describeError } from '../errors.ts';
import { type Logger, nodeFileSystem, syncFolders } from '../platform/index.ts';
import { readIfThere, syncFolder, writeDurably } from './durable-file.ts';
import { credentialsName, type FlowPair, finishPair, flowsName, writePair } from './flow-pair.ts';

const markName = 'flow-restored.json';
const maxRejected = 5;

/** A flow with its credentials, as the files hold them. */
export interface FlowContent extends FlowPair {
  /** Tells one from another. */
  readonly revision: string;
}

export class FlowFiles {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Makes the folder; its name is on the device, or a flow that was deployed in it would go with it. */
  async open(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await syncFolders(nodeFileSystem, this.#folder);
  }

  /** Ends a deploy in whose middle a process ended. Only while no engine runs; never rejects: the next time may do. */
  async settle(logger: Logger): Promise<void> {
    try {
      await finishPair(this.#folder);
    } catch (error) {
      logger.warn({ error: describeError(error) }, 'a deploy that was cut off cannot be ended');
    }
  }

  /** The flow that runs or is to run; undefined when there is none. */
  current(): Promise<FlowContent | undefined> {
    return read(this.#folder);
  }

  /** The flow that has run well; undefined when none has yet. */
  async knownGood(): Promise<FlowContent | undefined> {
    return (await read(this.#path('known-good'))) ?? (await read(this.#path('known-good.old')));
  }

  /** Puts a ready-made flow in place. */
  async install(source: string): Promise<void> {
    const flows = await readIfThere(source);
    if (flows === undefined) throw Object.assign(new Error(`${source} does not exist`), { code: 'ENOENT' });
    const credentials = await readIfThere(join(source, '..', credentialsName));
    await writePair(this.#folder, { flows, credentials });
  }

  /**
   * Keeps a flow as the one that is known to be good, and forgets that another was taken back. Never rejects; false when
   * the disk did not take it.
   */
  async keep(content: FlowContent, logger: Logger): Promise<boolean> {
    try {
      await this.#replaceKept(content);
      await rm(this.#path(markName), { force: true });
      return true;
    } catch (error) {
      logger.warn({ error: describeError(error) }, 'the flow cannot be kept as known to be good, trying again');
      return false;
    }
  }

  async #replaceKept(content: FlowContent): Promise<void> {
    const [fresh, kept, old] = [this.#path('known-good.new'), this.#path('known-good'), this.#path('known-good.old')];
    await rm(fresh, { recursive: true, force: true });
    await mkdir(fresh, { mode: 0o700 });
    if (content.credentials !== undefined) await writeDurably(join(fresh, credentialsName), content.credentials);
    await writeDurably(join(fresh, flowsName), content.flows);
    // A kept one that was left half way would stand in the way of the rename.
    if ((await read(kept)) !== undefined) {
      await rm(old, { recursive: true, force: true });
      await rename(kept, old);
    } else await rm(kept, { recursive: true, force: true });
    await rename(fresh, kept);
    await syncFolder(this.#folder);
    await rm(old, { recursive: true, force: true });
  }

  /** Keeps the flow that runs aside as a rejected one; its file's name. */
  async reject(atMs: number): Promise<string | undefined> {
    const current = await readIfThere(this.#path(flowsName));
    if (current === undefined) return undefined;
    const name = `flows-rejected-${new Date(atMs).toISOString().replace(/[:.]/g, '-')}.json`;
    await writeDurably(this.#path(name), current);
    const rejected = (await readdir(this.#folder)).filter((file) => /^flows-rejected-.*\.json$/.test(file)).sort();
    for (const file of rejected.slice(0, -maxRejected)) await unlink(this.#path(file));
    return name;
  }

  /** Puts a flow back. */
  async restore(content: FlowContent): Promise<void> {
    await writePair(this.#folder, { flows: content.flows, credentials: content.credentials });
  }

  /** Remembers over a restart that a flow was taken back. */
  async mark(rejected: string): Promise<void> {
    await writeDurably(this.#path(markName), `${JSON.stringify({ rejected })}\n`);
  }

  /** The file of the flow that was taken back last, as long as no other has run well since. */
  async marked(): Promise<string | undefined> {
    try {
      const mark = JSON.parse((await readIfThere(this.#path(markName))) ?? '{}') as { rejected?: unknown };
      return typeof mark.rejected === 'string' ? basename(mark.rejected) : undefined;
    } catch {
      return undefined;
    }
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }
}

/** True when Node-RED can read it: a list of nodes. */
export function isReadable({ flows, credentials }: FlowContent): boolean {
  try {
    const nodes: unknown = JSON.parse(flows);
    if (credentials !== undefined) JSON.parse(credentials);
    return Array.isArray(nodes) && nodes.every((node) => typeof node?.type === 'string');
  } catch {
    return false;
  }
}

async function read(folder: string): Promise<FlowContent | undefined> {
  const flows = await readIfThere(join(folder, flowsName));
  if (flows === undefined) return undefined;
  const credentials = await readIfThere(join(folder, credentialsName));
  const revision = createHash('sha256')
    .update(flows)
    .update('\0')
    .update(credentials ?? '')
    .digest('hex')
    .slice(0, 16);
  return { flows, credentials, revision };
}
