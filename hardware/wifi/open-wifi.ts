import { NetworkManagerWifi } from './network-manager-wifi.ts';
import { SimulatedRadio } from './simulated-radio.ts';
import { SimulatedWifi } from './simulated-wifi.ts';
import { type Wifi, WifiError } from './wifi.ts';

const uriForm = /^(auto|networkmanager|sim):([A-Za-z0-9._-]*)$/;
const longestUri = 64;

/**
 * The driver for a URI; it does nothing until its `open()`.
 *
 * - `auto:` what this computer has: NetworkManager at present.
 * - `networkmanager:` its first WiFi adapter; `networkmanager:wlan0` the one of that name.
 * - `sim:NAME` the simulated radio of that name, which is the same for all who open it in this process.
 *
 * The D-Bus library is loaded by the first `open()` of a NetworkManager driver, not before.
 *
 * @throws WifiError `invalid` for any other URI
 */
export function openWifi(uri: string): Wifi {
  const [, scheme, name = ''] = (uri.length <= longestUri && uriForm.exec(uri)) || [];
  if (scheme === 'sim' && name !== '') return new SimulatedWifi({ radio: SimulatedRadio.named(name) });
  if (scheme === 'networkmanager') return new NetworkManagerWifi({ device: name });
  if (scheme === 'auto' && name === '') return new NetworkManagerWifi({});
  throw new WifiError(
    'invalid',
    `"${uri.slice(0, longestUri)}" is no WiFi adapter: use auto:, networkmanager:, networkmanager:wlan0 or sim:NAME`,
  );
}
