import { type FileSystem, nodeFileSystem } from '../../src/platform/index.ts';

/** The file system of this computer; `onStep` is told what brings a file to the device: its sync, its name, its folders. */
export function watchedFileSystem(
  onStep: (step: 'sync file' | 'rename' | 'sync folder', path: string) => void,
): FileSystem {
  return {
    ...nodeFileSystem,
    create(path) {
      const file = nodeFileSystem.create(path);
      return {
        write: (data, position) => file.write(data, position),
        read: (into, position) => file.read(into, position),
        readAsync: (into, position) => file.readAsync(into, position),
        size: () => file.size(),
        close: () => file.close(),
        sync: () => file.sync().finally(() => onStep('sync file', path)),
      };
    },
    rename(from, to) {
      onStep('rename', to);
      nodeFileSystem.rename(from, to);
    },
    async syncFolder(path) {
      await nodeFileSystem.syncFolder(path);
      onStep('sync folder', path);
    },
  };
}
