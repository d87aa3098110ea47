import { SerialError } from './errors.ts';

/** How the two ends of a wire talk; a TCP or simulated port has them too and ignores them. */
export interface SerialSettings {
  /** Bits a second, 50 to 4,000,000; what the hardware takes beyond the usual ones is up to it. */
  readonly baudRate: number;
  readonly dataBits: 5 | 6 | 7 | 8;
  readonly parity: 'none' | 'even' | 'odd' | 'mark' | 'space';
  readonly stopBits: 1 | 1.5 | 2;
  readonly flowControl: 'none' | 'rtscts' | 'xonxoff';
}

export const defaultSettings: SerialSettings = {
  baudRate: 115_200,
  dataBits: 8,
  parity: 'none',
  stopBits: 1,
  flowControl: 'none',
};

/** Lines that the other end drives. */
export interface ModemInputs {
  readonly cts: boolean;
  readonly dsr: boolean;
  readonly dcd: boolean;
}

/** Lines that this end drives; what is not named is left as it is by TCP and set by default (dtr, rts) on a tty. */
export interface ModemOutputs {
  readonly dtr?: boolean;
  readonly rts?: boolean;
}

export interface PortListener {
  /** Bytes in the order in which they came; the buffer belongs to the listener. */
  data(bytes: Buffer): void;
  /** The port went away by itself; called at most once, and nothing is called after it. Not called for `close()`. */
  lost(error: SerialError): void;
}

/**
 * One opening of one device. It is made closed, opened once, and useless after it was lost or closed: `LastingPort` makes
 * a new one for the next attempt.
 */
export interface SerialPort {
  /**
   * Resolves when bytes can flow.
   *
   * @throws SerialError `port-missing`, `port-busy`, `port-denied`, `driver-missing` or `port-failed`
   */
  open(listener: PortListener): Promise<void>;
  /**
   * Resolves when the system has taken all bytes. One at a time.
   *
   * @throws SerialError `port-lost` or `port-closed`
   */
  write(bytes: Buffer): Promise<void>;
  /** Resolves when what was written has left this computer, as far as the kind of port can tell. */
  drain(): Promise<void>;
  /** Stops reading: the bytes stay with the system, and flow control stops the sender where there is any. */
  pause(): void;
  resume(): void;
  /** Throws away what the system holds in both directions. */
  flush(): Promise<void>;
  /** @throws SerialError `unsupported` where there are no such lines; so for the next three */
  modemInputs(): Promise<ModemInputs>;
  setModemOutputs(outputs: ModemOutputs): Promise<void>;
  sendBreak(durationMs: number): Promise<void>;
  setBaudRate(baudRate: number): Promise<void>;
  /** Resolves when the device is free for others; again, and on one never opened, does nothing. */
  close(): Promise<void>;
}

/**
 * The settings, complete and checked.
 *
 * @throws SerialError `invalid-settings`
 */
export function validateSettings(settings: Partial<SerialSettings> = {}): SerialSettings {
  const all = { ...defaultSettings, ...settings };
  if (!Number.isInteger(all.baudRate) || all.baudRate < 50 || all.baudRate > 4_000_000) {
    throw new SerialError('invalid-settings', `baud rate ${all.baudRate}: 50 to 4,000,000 is allowed`);
  }
  oneOf('data bits', all.dataBits, [5, 6, 7, 8]);
  oneOf('parity', all.parity, ['none', 'even', 'odd', 'mark', 'space']);
  oneOf('stop bits', all.stopBits, [1, 1.5, 2]);
  oneOf('flow control', all.flowControl, ['none', 'rtscts', 'xonxoff']);
  return Object.freeze(all);
}

/** As people write it: `115200 8N1`, and the flow control when there is one. */
export function describeSettings({ baudRate, dataBits, parity, stopBits, flowControl }: SerialSettings): string {
  const frame = `${dataBits}${parity.charAt(0).toUpperCase()}${stopBits}`;
  return `${baudRate} ${frame}${flowControl === 'none' ? '' : ` ${flowControl}`}`;
}

function oneOf<T>(what: string, value: T, allowed: readonly T[]): void {
  if (allowed.includes(value)) return;
  throw new SerialError('invalid-settings', `${what} ${String(value)}: ${allowed.join(', ')} are allowed`);
}
