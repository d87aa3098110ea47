/**
 * Where Node-RED keeps flows, credentials and settings: plain files in the engine's folder.
 *
 * Invariants: each file is replaced at once and is on the device before Node-RED goes on; flows and credentials of one
 * deploy are written together, after the messages under way have reached the end of their flow (`beforeSwitch`).
 * Failure behaviour: when a file cannot be written the deploy fails in the editor, and `afterFailure` lets the running
 * flow go on.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfThere, writeDurably } from '../durable-file.ts';
import { credentialsName, flowsName, writePair } from '../flow-pair.ts';
import { loadLibrary } from './node-red.ts';

export interface StorageOptions {
  readonly folder: string;
  /** Called before the files of a deploy are replaced. */
  readonly beforeSwitch: () => Promise<void>;
  /** Files could not be replaced, or not be read for a reload: the flow that runs goes on. */
  readonly afterFailure: () => void | Promise<void>;
}

/** Node-RED looks for these as own properties, so it is no class. */
export function createStorage({ folder, beforeSwitch, afterFailure }: StorageOptions): object {
  const path = (name: string) => join(folder, name);
  const read = async (name: string, fallback: unknown): Promise<unknown> => {
    const text = await readIfThere(path(name));
    return text === undefined ? fallback : JSON.parse(text);
  };
  const textOf = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  const write = (name: string, value: unknown) => writeDurably(path(name), textOf(value));
  const switching = async <T>(action: () => Promise<T>): Promise<T> => {
    await beforeSwitch();
    try {
      return await action();
    } catch (error) {
      credentials = undefined;
      await afterFailure();
      throw error;
    }
  };
  // Node-RED hands over the credentials first; on disk they change with the flows they belong to.
  let credentials: object | undefined;
  let library: ReturnType<typeof loadLibrary> | undefined;
  const openLibrary = async () => {
    if (library === undefined) {
      library = loadLibrary();
      await library.init({ userDir: folder });
    }
    return library;
  };

  return {
    async init() {
      await mkdir(path('node_modules'), { recursive: true, mode: 0o700 });
      if ((await readIfThere(path('package.json'))) === undefined) {
        await write('package.json', { name: 'holdfast-flows', version: '0.0.1', private: true });
      }
    },
    // Also when somebody has the flows restarted as they are.
    getFlows: () => switching(() => read(flowsName, [])),
    saveFlows: (flows: unknown) =>
      switching(async () => {
        const changed = credentials === undefined ? await readIfThere(path(credentialsName)) : textOf(credentials);
        await writePair(folder, { flows: textOf(flows), credentials: changed });
        credentials = undefined;
      }),
    getCredentials: () =>
      read(credentialsName, {}).catch(async (error: unknown) => {
        await afterFailure();
        throw error;
      }),
    async saveCredentials(value: object) {
      credentials = value;
    },
    getSettings: () => read('.settings.json', {}),
    saveSettings: (settings: object) => write('.settings.json', settings),
    async getLibraryEntry(type: string, name: string) {
      return (await openLibrary()).getLibraryEntry(type, name);
    },
    async saveLibraryEntry(type: string, name: string, meta: object, body: string) {
      await (await openLibrary()).saveLibraryEntry(type, name, meta, body);
    },
  };
}
