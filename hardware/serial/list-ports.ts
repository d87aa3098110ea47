import { readdir, readFile, readlink, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { loadBindings } from './load-bindings.ts';
import { simulated } from './simulated.ts';

/** A serial port that is there now. */
export interface PresentPort {
  /** What to write into the configuration: by the name that stays when it is plugged in elsewhere, where there is one. */
  readonly uri: string;
  readonly path: string;
  /** `/dev/serial/by-id/…`, for USB devices. */
  readonly byId?: string;
  readonly manufacturer?: string;
  readonly product?: string;
  readonly serialNumber?: string;
}

/**
 * The serial ports of this computer and the simulated ones in use. Never throws: what cannot be read is left out.
 *
 * @param root folder that stands for `/`, for tests
 */
export async function listPorts(root = '/'): Promise<PresentPort[]> {
  const real = process.platform === 'linux' ? await listLinux(root) : await listOther();
  const played = simulated.list().map(({ name }) => ({ uri: `sim:${name}`, path: name, product: 'simulated' }));
  return [...real.sort((a, b) => a.uri.localeCompare(b.uri)), ...played];
}

/** From /sys and /dev/serial, as udev lays them out; no program is run for it. */
async function listLinux(root: string): Promise<PresentPort[]> {
  const names = await readdir(join(root, 'sys/class/tty')).catch(() => []);
  const links = await byId(root);
  const ports: PresentPort[] = [];
  for (const name of names) {
    const device = await realpath(join(root, 'sys/class/tty', name, 'device')).catch(() => undefined);
    if (!device || !(await hasUart(root, name))) continue;
    const path = `/dev/${name}`;
    const link = links.get(name);
    const described = await usbTexts(device);
    ports.push({ uri: `tty:${link ?? path}`, path, ...(link && { byId: link }), ...described });
  }
  return ports;
}

/** A PC has 32 places for a ttyS; those without a chip say type 0. */
async function hasUart(root: string, name: string): Promise<boolean> {
  const type = await readText(join(root, 'sys/class/tty', name, 'type'));
  return type !== '0';
}

async function byId(root: string): Promise<Map<string, string>> {
  const folder = join(root, 'dev/serial/by-id');
  const found = new Map<string, string>();
  for (const link of await readdir(folder).catch(() => [])) {
    const target = await readlink(join(folder, link)).catch(() => undefined);
    if (target) found.set(basename(target), `/dev/serial/by-id/${link}`);
  }
  return found;
}

/** The texts of the USB device stand a few folders above that of its port. */
async function usbTexts(device: string): Promise<Partial<PresentPort>> {
  let folder = device;
  for (let level = 0; level < 5; level++, folder = dirname(folder)) {
    if ((await readText(join(folder, 'idVendor'))) === undefined) continue;
    const [manufacturer, product, serialNumber] = await Promise.all([
      readText(join(folder, 'manufacturer')),
      readText(join(folder, 'product')),
      readText(join(folder, 'serial')),
    ]);
    return {
      ...(manufacturer && { manufacturer }),
      ...(product && { product }),
      ...(serialNumber && { serialNumber }),
    };
  }
  return {};
}

async function listOther(): Promise<PresentPort[]> {
  try {
    const ports = await (await loadBindings()).list();
    return ports.flatMap(({ path, manufacturer, serialNumber }) =>
      path
        ? [{ uri: `tty:${path}`, path, ...(manufacturer && { manufacturer }), ...(serialNumber && { serialNumber }) }]
        : [],
    );
  } catch {
    return [];
  }
}

async function readText(path: string): Promise<string | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text?.trim();
}
