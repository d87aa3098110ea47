import { GpioError } from './errors.ts';
import type { Level } from './port.ts';

/** What is used of one line of the package `onoff`. */
export interface OnoffLine {
  readSync(): Level;
  watch(callback: (error: Error | null | undefined, value: Level) => void): void;
  direction(): string;
  edge(): string;
  unexport(): void;
}

/** What is used of the package `onoff`: its class `Gpio`. */
export type OnoffGpio = new (
  number: number,
  direction: 'in',
  edge: 'both',
  options: { activeLow: boolean },
) => OnoffLine;

export type LoadOnoff = () => Promise<OnoffGpio>;

/**
 * Loads `onoff` when the first input is opened: it is optional, and its native part exists only where there was a
 * compiler at installation.
 *
 * @throws GpioError `driver-missing`
 */
export const loadOnoff: LoadOnoff = async () => {
  try {
    const loaded = (await import('onoff')) as unknown as { Gpio?: OnoffGpio; default?: { Gpio?: OnoffGpio } };
    const Gpio = loaded.Gpio ?? loaded.default?.Gpio;
    if (typeof Gpio === 'function') return Gpio;
    throw new Error('it has no class Gpio');
  } catch (error) {
    const text = (error instanceof Error ? error.message : String(error)).split('\n')[0];
    throw new GpioError(
      'driver-missing',
      `inputs over sysfs need the package onoff with its native part epoll, which did not load (${text}): install g++, make and python3 and install the packages again, or install gpiod`,
      { cause: error },
    );
  }
};
