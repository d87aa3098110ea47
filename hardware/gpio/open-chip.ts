import { AutoDriver } from './auto.ts';
import { detectBoard } from './boards/detect.ts';
import { GpioError } from './errors.ts';
import { GpiodDriver } from './gpiod.ts';
import { GpiodTools } from './gpiod-tools.ts';
import type { LoadOnoff } from './onoff.ts';
import type { GpioChip } from './port.ts';
import { SimulatedDriver, simulatedChip } from './simulated.ts';
import { SysfsDriver } from './sysfs.ts';
import type { SysfsFiles } from './sysfs-export.ts';
import type { Timers } from './timers.ts';

export interface OpenChipOptions {
  /** A board profile's name, when the configuration names one. */
  readonly board?: string | undefined;
  /** Where a test has its own. */
  readonly modelFile?: string;
  readonly arch?: string;
  readonly sysfsRoot?: string;
  readonly sysfsFiles?: SysfsFiles;
  readonly load?: LoadOnoff;
  readonly tools?: GpiodTools;
  readonly timers?: Timers;
}

const simulatedName = /^[A-Za-z0-9_.-]{1,64}$/;

/**
 * The chip of a URI; nothing is touched before a line is opened.
 *
 * - `auto:` the pins of this board's header
 * - `sysfs:` the board's chip over sysfs, `sysfs:LABEL` another one
 * - `gpiod:` the board's chip through libgpiod's tools, `gpiod:gpiochip0` or `gpiod:LABEL` another one
 * - `sim:NAME` a simulated one, see `simulatedChips`
 *
 * @throws GpioError `invalid-settings`
 */
export function openChip(uri: string, options: OpenChipOptions = {}): GpioChip {
  const { board: name, modelFile, arch, sysfsRoot, sysfsFiles, load, timers } = options;
  const [, scheme, rest = ''] = /^([a-z]+):(.*)$/.exec(uri.trim()) ?? [];
  const board = () =>
    detectBoard({ name, ...(modelFile === undefined ? {} : { modelFile }), ...(arch === undefined ? {} : { arch }) });
  const time = timers ? { timers } : {};
  const sysfs = (chips: readonly string[]) =>
    new SysfsDriver({
      uri,
      chips,
      ...(sysfsRoot ? { root: sysfsRoot } : {}),
      ...(sysfsFiles ? { files: sysfsFiles } : {}),
      ...(load ? { load } : {}),
      ...time,
    });
  const tools = options.tools ?? new GpiodTools();
  const gpiod = (chips: readonly string[]) => new GpiodDriver({ uri, chips, tools, ...time });
  const simulated = (chip: string) => new SimulatedDriver({ chip: simulatedChip(chip), ...time });

  if (scheme === 'sim' && simulatedName.test(rest)) return simulated(rest);
  if (scheme === 'sysfs' && rest !== '') return sysfs([rest]);
  if (scheme === 'gpiod' && rest !== '') return gpiod([rest.replace(/^\/dev\//, '')]);
  if (rest === '' && (scheme === 'auto' || scheme === 'sysfs' || scheme === 'gpiod')) {
    return new AutoDriver({
      uri,
      board,
      sysfs: scheme === 'gpiod' ? absent(uri, 'not wanted') : sysfs,
      gpiod: scheme === 'sysfs' ? absent(uri, 'not wanted') : gpiod,
      other: (other) => openChip(other, options),
    });
  }
  throw new GpioError('invalid-settings', `"${uri}" is no GPIO chip: use auto:, sysfs:LABEL, gpiod:CHIP or sim:NAME`);
}

/** Stands where a URI rules one driver out. */
function absent(uri: string, text: string): () => GpioChip {
  const refuse = () => Promise.reject(new GpioError('unsupported', text));
  return () => ({
    uri,
    describe: async () => ({ uri, driver: 'none', explanation: text, problem: { code: 'unsupported', text } }),
    openInput: refuse,
    openOutput: refuse,
  });
}
