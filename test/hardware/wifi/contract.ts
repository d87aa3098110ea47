/** What every WiFi driver must do, whatever is behind it. */

import type { Wifi, WifiError, WifiState } from '@holdfast/hardware/wifi';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until as waitUntil } from '../../support/until.ts';

/** A network of the world that a driver is tested in. */
export interface ContractNetwork {
  readonly ssid: string;
  readonly password?: string;
  readonly strength?: number;
  readonly hidden?: boolean;
}

/** A driver and the world around it: its adapter plugged in, no network near, everything allowed. */
export interface Rig {
  readonly wifi: Wifi;
  appear(network: ContractNetwork): Promise<unknown>;
  vanish(ssid: string): Promise<unknown>;
  unplug(): Promise<unknown>;
  plug(): Promise<unknown>;
  deny(denied: boolean): Promise<unknown>;
  /** The service behind the driver goes away, and comes back with its adapter and without networks. */
  serviceLeaves(): Promise<unknown>;
  serviceReturns(): Promise<unknown>;
  /** The world as it was at first. */
  reset(): Promise<unknown>;
}

const password = 'correct horse';

/** Adds the contract's tests to a suite of their own and runs it; `rig` is made once. */
export function wifiContract(name: string, make: () => Promise<{ rig: Rig; remove(): Promise<unknown> }>): void {
  const test = suite(`${name}: contract`);
  let rig: Rig;
  let remove: () => Promise<unknown>;
  let seen: WifiState[];
  let unwatch: () => void;

  test.before(async () => {
    ({ rig, remove } = await make());
  });
  test.after(async () => {
    await remove?.();
  });
  test.before.each(async () => {
    await rig.reset();
    await rig.wifi.open();
    seen = [];
    unwatch = rig.wifi.watch((state) => seen.push(state));
  });
  test.after.each(async () => {
    unwatch();
    await rig.wifi.close();
  });

  const code = (promise: Promise<unknown>) =>
    promise.then(
      () => 'no error',
      (error: WifiError) => error.code,
    );
  const until = (holds: () => boolean) => waitUntil(holds, () => `it came; seen: ${JSON.stringify(seen)}`);

  test('says that it is there and not connected', async () => {
    const { driver, connection, device, ssid } = await rig.wifi.state();
    assert.equal({ driver, connection, ssid }, { driver: 'ready', connection: 'disconnected', ssid: undefined });
    assert.ok(device);
  });

  test('lists what is near, the strongest first', async () => {
    await rig.appear({ ssid: 'yard', strength: 20 });
    await rig.appear({ ssid: 'hall', password, strength: 80 });
    await rig.appear({ ssid: 'attic', password, strength: 50, hidden: true });
    const networks = await rig.wifi.scan();
    assert.equal(
      networks.map(({ ssid, strength, security }) => [ssid, strength, security]),
      [
        ['hall', 80, 'wpa2'],
        ['', 50, 'wpa2'],
        ['yard', 20, 'open'],
      ],
    );
    for (const { bssid, frequency } of networks) {
      assert.match(bssid, /^(..:){5}..$/);
      assert.is(frequency, 2412);
    }
  });

  test('connects with a password, and tells those who watch', async () => {
    await rig.appear({ ssid: 'hall', password, strength: 64 });
    const state = await rig.wifi.connect({ ssid: 'hall', password });
    const { device: _device, bssid: _bssid, ...rest } = state;
    assert.equal(rest, {
      driver: 'ready',
      connection: 'connected',
      ssid: 'hall',
      strength: 64,
      frequency: 2412,
      address: '192.0.2.10',
    });
    assert.equal(await rig.wifi.state(), state);
    await until(() => seen.at(-1)?.ssid === 'hall');
  });

  test('connects to an open network, and to one that hides', async () => {
    await rig.appear({ ssid: 'yard' });
    await rig.appear({ ssid: 'attic', password, hidden: true });
    assert.is((await rig.wifi.connect({ ssid: 'yard' })).connection, 'connected');
    assert.is(await code(rig.wifi.connect({ ssid: 'attic', password })), 'not-found');
    assert.is((await rig.wifi.connect({ ssid: 'attic', password, hidden: true })).connection, 'connected');
  });

  test('knows the password of a network that it was connected to', async () => {
    await rig.appear({ ssid: 'hall', password });
    assert.is(await code(rig.wifi.connect({ ssid: 'hall' })), 'wrong-password');
    await rig.wifi.connect({ ssid: 'hall', password });
    assert.is((await rig.wifi.disconnect()).connection, 'disconnected');
    assert.is((await rig.wifi.connect({ ssid: 'hall' })).ssid, 'hall');
  });

  test('tells a wrong password, keeps the right one and shows neither', async () => {
    await rig.appear({ ssid: 'hall', password });
    await rig.wifi.connect({ ssid: 'hall', password });
    const secret = 'wrong horse';
    const error: Error = await rig.wifi.connect({ ssid: 'hall', password: secret }).then(
      () => assert.unreachable(),
      (reason) => reason,
    );
    assert.is((error as WifiError).code, 'wrong-password');
    assert.not.match(`${error.stack} ${JSON.stringify(error)} ${error.cause}`, secret);
    assert.is((await rig.wifi.connect({ ssid: 'hall' })).ssid, 'hall');
  });

  test('tells a network that is not there, and one that cannot be', async () => {
    assert.is(await code(rig.wifi.connect({ ssid: 'hall', password })), 'not-found');
    assert.is(await code(rig.wifi.connect({ ssid: '' })), 'invalid');
    assert.is(await code(rig.wifi.connect({ ssid: 'ä'.repeat(17) })), 'invalid');
    assert.is(await code(rig.wifi.connect({ ssid: 'hall', password: 'short' })), 'invalid');
  });

  test('disconnects, also when nothing is connected', async () => {
    await rig.appear({ ssid: 'yard' });
    await rig.wifi.connect({ ssid: 'yard' });
    await until(() => seen.at(-1)?.connection === 'connected');
    assert.is((await rig.wifi.disconnect()).connection, 'disconnected');
    assert.is((await rig.wifi.disconnect()).connection, 'disconnected');
    await until(() => seen.at(-1)?.connection === 'disconnected');
  });

  test('tells that the network went out of reach', async () => {
    await rig.appear({ ssid: 'yard' });
    await rig.wifi.connect({ ssid: 'yard' });
    await until(() => seen.at(-1)?.connection === 'connected');
    await rig.vanish('yard');
    await until(() => seen.at(-1)?.connection === 'disconnected');
    assert.equal(await rig.wifi.scan(), []);
  });

  test('goes on when the adapter is unplugged and plugged in', async () => {
    await rig.appear({ ssid: 'yard' });
    await rig.unplug();
    await until(() => seen.at(-1)?.driver === 'no-device');
    const state = await rig.wifi.state();
    assert.equal([state.driver, state.connection], ['no-device', 'unavailable']);
    assert.ok(state.text);
    assert.is(await code(rig.wifi.scan()), 'no-device');
    assert.is(await code(rig.wifi.connect({ ssid: 'yard' })), 'no-device');
    assert.is(await code(rig.wifi.disconnect()), 'no-device');
    await rig.plug();
    await until(() => seen.at(-1)?.driver === 'ready');
    assert.is((await rig.wifi.connect({ ssid: 'yard' })).ssid, 'yard');
  });

  test('goes on when the service leaves and comes back', async () => {
    await rig.serviceLeaves();
    await until(() => seen.at(-1)?.driver === 'no-service');
    assert.is((await rig.wifi.state()).driver, 'no-service');
    assert.is(await code(rig.wifi.scan()), 'no-service');
    await rig.serviceReturns();
    await until(() => seen.at(-1)?.driver === 'ready');
    await rig.appear({ ssid: 'yard' });
    assert.is((await rig.wifi.connect({ ssid: 'yard' })).ssid, 'yard');
  });

  test('says that it is not allowed', async () => {
    await rig.appear({ ssid: 'yard' });
    await rig.deny(true);
    assert.is(await code(rig.wifi.scan()), 'denied');
    assert.is(await code(rig.wifi.connect({ ssid: 'yard' })), 'denied');
    await rig.deny(false);
    assert.is((await rig.wifi.connect({ ssid: 'yard' })).ssid, 'yard');
  });

  test('opens and closes again and again', async () => {
    await rig.wifi.open();
    await rig.wifi.close();
    await rig.wifi.close();
    assert.is(await code(rig.wifi.scan()), 'closed');
    await rig.wifi.open();
    assert.is((await rig.wifi.state()).driver, 'ready');
  });

  test.run();
}
