import { createRequire } from 'node:module';
import { SerialError } from './errors.ts';

/** What this driver uses of the package `@serialport/bindings-cpp`. */
export interface Bindings {
  open(options: {
    path: string;
    baudRate: number;
    dataBits: number;
    stopBits: number;
    parity: string;
    rtscts: boolean;
    xon: boolean;
    xoff: boolean;
    lock: boolean;
  }): Promise<Binding>;
  list(): Promise<readonly Record<string, string | undefined>[]>;
}

/** An open device. */
export interface Binding {
  /** Absent on Windows, where `read` waits by itself. */
  readonly fd?: number | null;
  readonly poller?: Poller;
  read(buffer: Buffer, offset: number, length: number): Promise<{ bytesRead: number }>;
  write(bytes: Buffer): Promise<void>;
  drain(): Promise<void>;
  flush(): Promise<void>;
  get(): Promise<{ cts: boolean; dsr: boolean; dcd: boolean }>;
  set(flags: { brk?: boolean; dtr?: boolean; rts?: boolean; cts?: boolean; dsr?: boolean }): Promise<void>;
  update(options: { baudRate: number }): Promise<void>;
  close(): Promise<void>;
}

export interface Poller {
  once(event: 'readable', callback: (error: Error | null) => void): unknown;
}

let loaded: Promise<Bindings> | undefined;

/**
 * The native bindings; loaded at the first use only, and without the stream and parsers of `serialport`, which cost
 * memory and are not used.
 *
 * @throws SerialError `driver-missing`
 */
export function loadBindings(): Promise<Bindings> {
  loaded ??= (async () => {
    // Found from where `serialport` lies: only that one is a dependency of ours.
    const fromSerialport = createRequire(createRequire(import.meta.url).resolve('serialport'));
    const { autoDetect } = fromSerialport('@serialport/bindings-cpp') as { autoDetect(): Bindings };
    return autoDetect();
  })().catch((error: unknown) => {
    loaded = undefined;
    throw new SerialError(
      'driver-missing',
      `the serial driver cannot be loaded: ${String(error)}; install the package serialport`,
      error,
    );
  });
  return loaded;
}
