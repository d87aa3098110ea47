import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Where an identity comes from, strongest first. `machine-id` is part of the data of the system and copied with it; `boot`
 * is another after each start of the system.
 */
export type HardwareSource = 'configured' | 'device-tree' | 'dmi' | 'machine-id' | 'boot' | 'none';

/** What tells this box from another one with the same data. */
export interface HardwareIdentity {
  readonly source: HardwareSource;
  readonly value: string;
}

/** UUIDs that board makers left in place of one. */
const placeholders = new Set([
  '03000200-0400-0500-0006-000700080009',
  '00020003-0004-0005-0006-000700080009',
  '12345678-1234-5678-90ab-cddeefaabbcc',
  '12345678-1234-1234-1234-123456789abc',
  '00112233-4455-6677-8899-aabbccddeeff',
  '01020304-0506-0708-090a-0b0c0d0e0f10',
]);

/**
 * Every identity that can be read here, strongest first: `authorization.hardwareIdentity` alone where it is given, else
 * the serial number in the device tree (Raspberry Pi), the board's UUID (readable by root only on most systems), the
 * system's machine-id. That one is not taken in a container, where it usually comes with the image. Where there is none of
 * these it is the kernel's boot id: it ends with the next start of the system, but not with one of the program, and no
 * other computer has it. `root` is where `proc`, `sys` and `etc` are looked for.
 */
export function hardwareIdentities(configured: string | undefined, root = '/'): HardwareIdentity[] {
  if (configured !== undefined) return [{ source: 'configured', value: configured }];
  const found: HardwareIdentity[] = [];
  const serial = read(root, 'proc/device-tree/serial-number');
  if (/^[\x21-\x7e]{8,64}$/.test(serial) && variety(serial) > 1) found.push({ source: 'device-tree', value: serial });
  const uuid = read(root, 'sys/class/dmi/id/product_uuid').toLowerCase();
  const isUuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid);
  if (isUuid && variety(uuid.replaceAll('-', '')) > 3 && !placeholders.has(uuid)) {
    found.push({ source: 'dmi', value: uuid });
  }
  const isContainer = ['.dockerenv', 'run/.containerenv'].some((mark) => existsSync(join(root, mark)));
  const machineId = isContainer ? '' : read(root, 'etc/machine-id').toLowerCase();
  if (/^[0-9a-f]{32}$/.test(machineId) && variety(machineId) > 1)
    found.push({ source: 'machine-id', value: machineId });
  if (found.length > 0) return found;
  const bootId = read(root, 'proc/sys/kernel/random/boot_id').toLowerCase();
  return /^[0-9a-f-]{36}$/.test(bootId) ? [{ source: 'boot', value: bootId }] : [];
}

/** How many different characters a text has: what nobody has filled in repeats a few. */
const variety = (text: string): number => new Set(text).size;

/** The text of a small file without white space and NUL around it; "" when it cannot be read. */
function read(root: string, path: string): string {
  try {
    return readFileSync(join(root, path), 'utf8').replaceAll('\0', '').trim();
  } catch {
    return '';
  }
}
