import { accessSync, constants, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { isNetwork } from './networks.ts';
import { formatDuration, formatSize, parseDuration, parseSize } from './quantities.ts';
import { type Reader, Refusal } from './table.ts';

interface TextFacts {
  /** In words, for mistakes and the reference. */
  allowed: string;
  matches?: (text: string) => boolean;
  secret?: boolean;
}

/** Text that is not empty. A number in the file is not taken for text: `007` would arrive as 7. */
export function text({ allowed, matches = () => true, secret = false }: TextFacts): Reader<string> {
  return {
    allowed,
    secret,
    fromText: (value) => value,
    read(raw) {
      if (typeof raw === 'number') throw new Refusal('a number here needs quotes around it');
      if (typeof raw !== 'string' || raw === '' || !matches(raw)) throw new Refusal();
      return raw;
    },
  };
}

/** One of a few words. */
export function choice<const T extends string>(...words: readonly T[]): Reader<T> {
  return {
    allowed: words.join(', '),
    fromText: (value) => value,
    read(raw) {
      const word = words.find((candidate) => candidate === raw);
      if (word === undefined) throw new Refusal();
      return word;
    },
  };
}

/** true or false; YAML 1.2 has no `yes` and no `on`. */
export function flag(): Reader<boolean> {
  return {
    allowed: 'true, false',
    fromText: (value) => (value === 'true' ? true : value === 'false' ? false : value),
    read(raw) {
      if (typeof raw !== 'boolean') throw new Refusal();
      return raw;
    },
  };
}

/** A whole number, both ends included. */
export function integer(least: number, most: number, note = ''): Reader<number> {
  return {
    allowed: `a whole number from ${least} to ${most}${note}`,
    fromText: (value) => (/^-?\d{1,15}$/.test(value) ? Number(value) : value),
    read(raw) {
      if (!Number.isInteger(raw) || (raw as number) < least || (raw as number) > most) throw new Refusal();
      return raw as number;
    },
  };
}

/** A TCP port. */
export function port(): Reader<number> {
  return integer(1, 65535);
}

/** A TCP port, or 0 for none. */
export function portOrOff(): Reader<number> {
  return integer(0, 65535, ' (0 = off)');
}

/** A size with its unit, in bytes; both ends as they would be written. */
export function size(least: string, most: string): Reader<number> {
  const sizes = { parse: parseSize, format: formatSize, units: 'B, KiB, MiB, GiB or TiB' };
  return quantity('a size', sizes, parseSize(least)!, parseSize(most)!);
}

/** A duration with its unit, in milliseconds; both ends as they would be written. */
export function duration(least: string, most: string): Reader<number> {
  const durations = { parse: parseDuration, format: formatDuration, units: 'ms, s, m, h or d' };
  return quantity('a duration', durations, parseDuration(least)!, parseDuration(most)!);
}

interface Quantity {
  parse(text: string): number | undefined;
  format(value: number): string;
  units: string;
}

function quantity(what: string, { parse, format, units }: Quantity, least: number, most: number): Reader<number> {
  return {
    allowed: `${what} from ${format(least)} to ${format(most)}, with one of the units ${units}`,
    fromText: (value) => value,
    read(raw) {
      if (typeof raw === 'number') throw new Refusal(`the unit is missing`);
      const value = typeof raw === 'string' ? parse(raw) : undefined;
      if (value === undefined || value < least || value > most) throw new Refusal();
      return value;
    },
  };
}

/** An address or host name to listen on. */
export function host(): Reader<string> {
  return text({
    allowed: 'an IP address or a host name; 0.0.0.0 for every IPv4 address, :: for every address',
    matches: (value) => isIP(value) !== 0 || /^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/.test(value),
  });
}

/** A network in CIDR form, or a single address. */
export function network(): Reader<string> {
  return text({ allowed: 'networks such as 192.168.1.0/24 or single addresses', matches: isNetwork });
}

/** A time zone that this computer knows. */
export function timezone(): Reader<string> {
  const isKnown = (zone: string) => {
    // Making a format loads 7 MiB of the engine's locale data, the list of zones next to nothing; it lacks the old names.
    if (Intl.supportedValuesOf('timeZone').includes(zone)) return true;
    try {
      new Intl.DateTimeFormat('en', { timeZone: zone });
      return true;
    } catch {
      return false;
    }
  };
  return text({ allowed: 'a name of the IANA time zone database, such as Asia/Shanghai or UTC', matches: isKnown });
}

/** The URL of a server; it may carry a user and a password and is therefore never printed in full. */
export function serverUrl(...schemes: readonly string[]): Reader<string> {
  const list = schemes.map((scheme) => `${scheme}://`).join(', ');
  return text({
    allowed: `a URL that begins with ${list}; in a user name or password, # / ? @ : % are written percent-encoded`,
    secret: true,
    matches: (value) => schemes.some((scheme) => value.startsWith(`${scheme}://`)) && namesAHost(value),
  });
}

function namesAHost(url: string): boolean {
  // MongoDB's URLs may list several hosts, which no URL parser takes.
  if (url.startsWith('mongodb')) return /^mongodb(\+srv)?:\/\/([^@/?#\s]*@)?[^@/?#\s]+([/?][^\s]*)?$/.test(url);
  if (!URL.canParse(url)) return false;
  const { hostname, hash } = new URL(url);
  // A password with a bare # or / would otherwise pass as a URL of another host.
  return hostname !== '' && hash === '' && !url.slice(url.indexOf('//') + 2).match(/\/.*@/);
}

/** A file that exists and can be read; relative paths start from the configuration file's folder. */
export function file(): Reader<string> {
  return {
    allowed: 'the path of a file that exists and can be read',
    fromText: (value) => value,
    read(raw, { folder }) {
      if (typeof raw !== 'string' || raw === '') throw new Refusal();
      const path = resolve(folder, raw);
      try {
        accessSync(path, constants.R_OK);
      } catch (error) {
        throw new Refusal(`${path} cannot be read (${(error as NodeJS.ErrnoException).code})`);
      }
      if (!statSync(path).isFile()) throw new Refusal(`${path} is no file`);
      return path;
    },
  };
}

/** A folder, which need not exist yet; relative paths start from the configuration file's folder. */
export function folder(): Reader<string> {
  return {
    allowed: 'the path of a folder; it is made when it does not exist',
    fromText: (value) => value,
    read(raw, context) {
      if (typeof raw !== 'string' || raw === '') throw new Refusal();
      return resolve(context.folder, raw);
    },
  };
}

/** A list of values; in an environment variable they are separated by commas. */
export function listOf<T>(item: Reader<T>): Reader<readonly T[]> {
  return {
    allowed: `a list: ${item.allowed}`,
    ...(item.secret === undefined ? {} : { secret: item.secret }),
    fromText: (value) => value.split(',').map((part) => item.fromText(part.trim())),
    read(raw, context) {
      if (!Array.isArray(raw)) throw new Refusal('a list is expected: [a, b]');
      return Object.freeze(raw.map((part) => item.read(part, context)));
    },
  };
}
