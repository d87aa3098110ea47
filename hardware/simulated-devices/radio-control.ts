import { SimulatedRadio } from '../wifi/index.ts';
import { SimulationError } from './simulation-error.ts';

const faults = ['driver-missing', 'no-service', 'denied', 'timeout'] as const;
const actions = 'appear SSID [PASSWORD], vanish SSID, unplug, plug, fail [CODE] and state are possible';

/** Simulated WiFi adapters by words. */
export const radioControl = {
  list(): { readonly name: string; readonly state: string }[] {
    return SimulatedRadio.all().map(([name, radio]) => ({ name, state: stateOf(radio) }));
  },

  /** @throws SimulationError for another action or fault. */
  act(name: string, action: string, [first, second]: readonly string[]): string {
    const radio = SimulatedRadio.named(name);
    if (action === 'unplug' || action === 'plug') radio[action]();
    else if (action === 'fail') radio.fail(faultOf(first));
    else if (action === 'vanish' && first !== undefined) radio.vanish(first);
    else if (action === 'appear' && first !== undefined) {
      radio.appear({ ssid: first, ...(second !== undefined && { password: second }) });
    } else if (action !== 'state') throw new SimulationError(`${action}: ${actions}`);
    return stateOf(radio);
  },
};

function stateOf(radio: SimulatedRadio): string {
  if (!radio.plugged) return 'unplugged';
  if (radio.fault !== undefined) return `failing: ${radio.fault}`;
  const reach = `${radio.networks.length} networks in reach`;
  return radio.connected === undefined ? `not connected, ${reach}` : `connected to ${radio.connected.ssid}, ${reach}`;
}

function faultOf(code: string | undefined): (typeof faults)[number] | undefined {
  if (code === undefined) return undefined;
  const fault = faults.find((each) => each === code);
  if (fault === undefined) throw new SimulationError(`${code}: ${faults.join(', ')} are possible`);
  return fault;
}
