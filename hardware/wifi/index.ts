/**
 * The box's WiFi: what it is connected to, which networks are near, connecting and disconnecting.
 *
 * - `openWifi(uri)` picks the driver: NetworkManager over the system's D-Bus, or a simulated radio. A test runs one suite
 *   against both.
 * - What is missing is a state, never a crash: no D-Bus library, no NetworkManager, no adapter. The driver goes on
 *   looking and says so by itself when it is there again.
 * - Every call has a deadline and ends with a result or a `WifiError`, whose `code` programs branch on.
 * - A password is handed to NetworkManager and to nobody else: it stands in no error, log line or state. One that does
 *   not work is not kept, and never replaces one that works.
 */
export { openWifi } from './open-wifi.ts';
export { type RadioFault, type SimulatedNetwork, SimulatedRadio } from './simulated-radio.ts';
export {
  type ConnectRequest,
  type Wifi,
  type WifiDriverState,
  WifiError,
  type WifiErrorCode,
  type WifiNetwork,
  type WifiSecurity,
  type WifiState,
} from './wifi.ts';
