/**
 * Every simulated device of this process by words, for a command line, a page or a test: press a button, read a relay,
 * send a line, pull a plug, let it fail. A device is named `<kind>:<name>`, as its URI `sim:<name>` in a node of that kind.
 *
 * Failure: what cannot be done is a `SimulationError` that says what can; nothing is half done.
 */
import { simulatedChip, simulatedChips } from '../gpio/index.ts';
import { simulated as serial } from '../serial/index.ts';
import { radioControl } from './radio-control.ts';
import { SimulationError } from './simulation-error.ts';

export { SimulationError } from './simulation-error.ts';

/** A simulated device and how it stands. */
export interface SimulatedDevice {
  /** `gpio:panel`, `serial:printer`, `wifi:box`. */
  readonly device: string;
  readonly state: string;
}

/** What is to be done to one. */
export interface SimulatedAction {
  readonly device: string;
  readonly action: string;
  readonly values: readonly string[];
}

const maxNameLength = 64;

/** Those that a node has opened or a command has named, by kind and name. */
export function listSimulated(): SimulatedDevice[] {
  const chips = [...simulatedChips()].map(([name, chip]) => {
    const lines = chip.states().map(({ line, level, direction }) => `${line}=${level} (${direction})`);
    return { device: `gpio:${name}`, state: chip.plugged ? lines.join(', ') || 'plugged' : 'unplugged' };
  });
  const ports = serial.list().map(({ name, state }) => ({ device: `serial:${name}`, state }));
  return [...chips, ...ports, ...radioControl.list().map(({ name, state }) => ({ device: `wifi:${name}`, state }))];
}

/**
 * Does it, and returns what is to be shown.
 *
 * @throws SimulationError for a device, an action or a value that there is not.
 */
export function controlSimulated({ device, action, values }: SimulatedAction): string {
  const colon = device.indexOf(':');
  const [kind, name] = [device.slice(0, colon), device.slice(colon + 1)];
  if (colon < 0 || name === '' || name.length > maxNameLength) {
    throw new SimulationError(`${device}: a device is named gpio:NAME, serial:NAME or wifi:NAME`);
  }
  try {
    if (kind === 'gpio') return controlChip(name, action, values);
    if (kind === 'serial') return serial.control(name, action, values.join(' '));
    if (kind === 'wifi') return radioControl.act(name, action, values);
  } catch (error) {
    if (error instanceof SimulationError) throw error;
    throw new SimulationError((error as Error).message, { cause: error });
  }
  throw new SimulationError(`${kind}: there are simulated devices of the kinds gpio, serial and wifi`);
}

const chipActions = 'press, release, set, state, fail and repair with a line, unplug and plug are possible';

function controlChip(name: string, action: string, [line, ...rest]: readonly string[]): string {
  const chip = simulatedChip(name);
  if (action === 'unplug' || action === 'plug') {
    chip[action]();
    return action === 'plug' ? 'plugged' : 'unplugged';
  }
  if (line === undefined) throw new SimulationError(`${action}: ${chipActions}`);
  if (action === 'press') chip.press(line);
  else if (action === 'release') chip.release(line);
  else if (action === 'set') chip.set(line, levelOf(rest[0]));
  else if (action === 'fail') chip.fail(line, rest.join(' ') || undefined);
  else if (action === 'repair') chip.repair(line);
  else if (action !== 'state') throw new SimulationError(`${action}: ${chipActions}`);
  const { level, direction } = chip.state(line);
  return `line ${line}: ${level} (${direction})`;
}

function levelOf(text: string | undefined): 0 | 1 {
  if (text === '0') return 0;
  if (text === '1') return 1;
  throw new SimulationError('set needs a line and a level, 0 or 1');
}
