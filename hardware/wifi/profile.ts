import { type ConnectRequest, WifiError, type WifiSecurity } from './wifi.ts';

/** A connection in NetworkManager's form: group → key → D-Bus type and value. */
export type ConnectionSettings = Readonly<Record<string, Readonly<Record<string, readonly [string, unknown]>>>>;

/** Told from others by its name, so that only our own are replaced. */
export function profileId(ssid: string): string {
  return `holdfast ${ssid}`;
}

const keyManagement: Partial<Record<WifiSecurity, string>> = {
  wpa: 'wpa-psk',
  wpa2: 'wpa-psk',
  wpa3: 'sae',
  owe: 'owe',
};

/** NetworkManager keeps the secret itself, in a file that only root reads: no user has to be logged in. */
const ownedBySystem = 0;

/**
 * The connection to be made. `security` is what the access point announced; undefined for one that hides.
 *
 * @throws WifiError `wrong-password` when one is needed and missing, `failed` when only nmcli can set it up
 */
export function newProfile(request: ConnectRequest, security: WifiSecurity | undefined): ConnectionSettings {
  const { ssid, password, hidden } = request;
  const kind = security ?? (password === undefined ? 'open' : 'wpa2');
  if (kind === 'wep' || kind === 'enterprise') {
    throw new WifiError(
      'failed',
      `the WiFi network "${ssid}" is protected by ${kind === 'wep' ? 'WEP' : '802.1X'}: set it up once with nmcli, then connect without a password`,
    );
  }
  const needsPassword = kind !== 'open' && kind !== 'owe';
  if (needsPassword && password === undefined) {
    throw new WifiError('wrong-password', `the WiFi network "${ssid}" needs a password, and the system has saved none`);
  }
  const management = keyManagement[kind];
  return {
    connection: { id: ['s', profileId(ssid)], type: ['s', '802-11-wireless'], autoconnect: ['b', true] },
    '802-11-wireless': {
      ssid: ['ay', Buffer.from(ssid)],
      mode: ['s', 'infrastructure'],
      hidden: ['b', hidden ?? false],
    },
    ...(management && {
      '802-11-wireless-security': {
        'key-mgmt': ['s', management],
        ...(needsPassword && { psk: ['s', password], 'psk-flags': ['u', ownedBySystem] }),
      },
    }),
    ipv4: { method: ['s', 'auto'] },
    ipv6: { method: ['s', 'auto'] },
  };
}
