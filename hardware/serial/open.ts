import { SerialError } from './errors.ts';
import { type SerialPort, type SerialSettings, validateSettings } from './port.ts';
import { simulated } from './simulated.ts';
import { TcpPort } from './tcp-port.ts';
import { TtyPort } from './tty-port.ts';

export type ParsedUri =
  | { readonly scheme: 'tty'; readonly path: string }
  | { readonly scheme: 'tcp'; readonly host: string; readonly port: number }
  | { readonly scheme: 'sim'; readonly name: string };

/**
 * `tty:/dev/serial/by-id/…`, `tty:COM3`, `tcp:host:port`, `tcp:[::1]:4001`, `sim:name`; a bare path is a tty.
 *
 * @throws SerialError `invalid-uri`
 */
export function parseUri(uri: string): ParsedUri {
  const text = uri.trim();
  if (/^(\/|COM\d+$)/.test(text)) return { scheme: 'tty', path: text };
  const [, scheme, rest] = /^(tty|tcp|sim):(?:\/\/(?=[^/]))?(.+)$/.exec(text) ?? [];
  if (scheme === 'tty' && rest && /^(\/|COM\d+$)/.test(rest) && !rest.includes('\0')) return { scheme, path: rest };
  if (scheme === 'sim' && rest && /^[\w.-]{1,64}$/.test(rest)) return { scheme, name: rest };
  if (scheme === 'tcp' && rest) {
    const [, ipv6, name, digits] = /^(?:\[([^\]]+)\]|([^:/[\]]+)):(\d{1,5})$/.exec(rest) ?? [];
    const host = ipv6 ?? name;
    const port = Number(digits);
    if (host && port > 0 && port < 65_536) return { scheme, host, port };
  }
  throw new SerialError('invalid-uri', `"${uri}" is no serial port: write tty:/dev/…, tcp:host:port or sim:name`);
}

/**
 * A port for the URI, not yet open.
 *
 * @throws SerialError `invalid-uri` or `invalid-settings`
 */
export function createPort(uri: string, settings: Partial<SerialSettings> = {}): SerialPort {
  const parsed = parseUri(uri);
  const checked = validateSettings(settings);
  if (parsed.scheme === 'tcp') return new TcpPort({ host: parsed.host, port: parsed.port });
  if (parsed.scheme === 'sim') return simulated.port(parsed.name).host();
  return new TtyPort({ path: parsed.path, settings: checked });
}
