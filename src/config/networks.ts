import { BlockList, isIP } from 'node:net';

/** Networks that are never routed over the internet (RFC 1918, RFC 4193) and addresses of the own link. */
export const privateNetworks: readonly string[] = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '169.254.0.0/16',
  'fc00::/7',
  'fe80::/10',
];

/** True for `192.168.1.0/24`, `fd00::/8` or a single address. */
export function isNetwork(text: string): boolean {
  return splitNetwork(text) !== undefined;
}

/**
 * Tells whether an address lies in one of the networks; loopback always does, since nobody can listen there. An IPv4
 * address in IPv6 clothes (`::ffff:10.0.0.1`, as a dual-stack socket reports it) counts as IPv4. What is no address,
 * such as the name of a Unix socket, lies in none.
 */
export function networkMatcher(networks: readonly string[]): (address: string | undefined) => boolean {
  const list = new BlockList();
  for (const text of ['127.0.0.0/8', '::1/128', ...networks]) {
    const network = splitNetwork(text);
    if (network) list.addSubnet(network.address, network.prefix, network.family);
  }
  return (address) => {
    if (address === undefined) return false;
    const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
    const family = isIP(plain);
    return family !== 0 && list.check(plain, family === 4 ? 'ipv4' : 'ipv6');
  };
}

/** True for a host name or address that stays on this computer. */
export function isLoopbackHost(host: string): boolean {
  const plain = host.replace(/^\[|\]$/g, '').toLowerCase();
  return plain === 'localhost' || plain.endsWith('.localhost') || networkMatcher([])(plain);
}

function splitNetwork(text: string): { address: string; prefix: number; family: 'ipv4' | 'ipv6' } | undefined {
  const [address = '', prefixText, ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0 || address.includes('%')) return undefined;
  const longest = family === 4 ? 32 : 128;
  if (prefixText !== undefined && !/^\d{1,3}$/.test(prefixText)) return undefined;
  const prefix = prefixText === undefined ? longest : Number(prefixText);
  return prefix <= longest ? { address, prefix, family: family === 4 ? 'ipv4' : 'ipv6' } : undefined;
}
