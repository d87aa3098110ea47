import type { Wifi } from '@holdfast/hardware/wifi';

/** A driver that is there for as long as somebody holds it. */
export interface WifiLease {
  /** Open. Rejects with a `WifiError` `invalid` when the URI names no adapter. */
  readonly wifi: Promise<Wifi>;
  /** Closes the driver when nobody else holds it; again does nothing. */
  release(): Promise<void>;
}

interface Entry {
  holders: number;
  readonly wifi: Promise<Wifi>;
}

const entries = new Map<string, Entry>();

/**
 * The driver for a URI of `openWifi`; all nodes with the same one share it. Nothing of the driver is loaded before the
 * first is asked for.
 */
export function leaseWifi(uri: string): WifiLease {
  let entry = entries.get(uri);
  if (!entry) {
    entry = { holders: 0, wifi: open(uri) };
    entry.wifi.catch(() => {}); // told to whoever awaits it
    entries.set(uri, entry);
  }
  const held = entry;
  held.holders++;
  let released = false;
  return {
    wifi: held.wifi,
    async release() {
      if (released) return;
      released = true;
      if (--held.holders > 0) return;
      entries.delete(uri);
      const wifi = await held.wifi.catch(() => undefined);
      await wifi?.close();
    },
  };
}

async function open(uri: string): Promise<Wifi> {
  const { openWifi } = await import('@holdfast/hardware/wifi');
  const wifi = openWifi(uri);
  await wifi.open();
  return wifi;
}
