/**
 * GPIO lines of a box: real ones over sysfs or libgpiod's tools, and simulated ones, behind one port (`port.ts`).
 *
 * - What is missing, a driver, a chip, a right, is a `GpioError` with a code, never a crash.
 * - A line has one owner; a second one is told who has it.
 * - `openChip` picks the driver by URI; `auto:` finds it by the board, and `describe` says why.
 */
export { type DetectOptions, detectBoard } from './boards/detect.ts';
export type { BoardProfile, BoardSerialPort, HeaderPin } from './boards/profile.ts';
export { boardProfiles } from './boards/profiles.ts';
export { GpioError, type GpioErrorCode, gpioErrors } from './errors.ts';
export { GpiodTools } from './gpiod-tools.ts';
export { lineOwners } from './line-owners.ts';
export { type OpenChipOptions, openChip } from './open-chip.ts';
export type {
  ChipDescription,
  Edge,
  Edges,
  GpioChip,
  InputLine,
  InputOptions,
  Level,
  LineEvent,
  OutputLine,
  OutputOptions,
  Pull,
} from './port.ts';
export { lineNumber } from './settings.ts';
export { simulatedChip, simulatedChips } from './simulated.ts';
export { SimulatedChip, type SimulatedLineState } from './simulated-chip.ts';
