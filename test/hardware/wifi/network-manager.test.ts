import { openWifi, type Wifi, type WifiError } from '@holdfast/hardware/wifi';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { securityOf } from '../../../hardware/wifi/network-manager-names.ts';
import { NetworkManagerWifi, type NetworkManagerWifiOptions } from '../../../hardware/wifi/network-manager-wifi.ts';
import { TestBus } from '../../support/dbus.ts';
import { until } from '../../support/until.ts';
import { wifiContract } from './contract.ts';

const password = 'correct horse';

wifiContract('NetworkManager over D-Bus', async () => {
  const bus = new TestBus();
  await bus.start();
  // The address comes from the environment, as on a box.
  process.env.DBUS_SYSTEM_BUS_ADDRESS = bus.address;
  const start = async () => {
    await bus.startNetworkManager();
    await bus.plug();
  };
  return {
    rig: {
      wifi: openWifi('networkmanager:'),
      appear: (network) => bus.appear(network),
      vanish: (ssid) => bus.vanish(ssid),
      unplug: () => bus.unplug(),
      plug: () => bus.plug(),
      deny: (denied) => bus.deny(denied),
      serviceLeaves: () => bus.stopNetworkManager(),
      serviceReturns: start,
      async reset() {
        await bus.stopNetworkManager();
        await start();
      },
    },
    remove: () => bus.remove(),
  };
});

const test = suite('NetworkManager over D-Bus');
const bus = new TestBus();
const opened: Wifi[] = [];

test.before(() => bus.start());
test.after(() => bus.remove());
test.before.each(async () => {
  await bus.startNetworkManager();
  await bus.plug();
});
test.after.each(async () => {
  for (const wifi of opened.splice(0)) await wifi.close();
  await bus.stopNetworkManager();
});

async function open(options: Partial<NetworkManagerWifiOptions> = {}): Promise<Wifi> {
  const wifi = new NetworkManagerWifi({ address: bus.address, firstPauseMs: 20, longestPauseMs: 100, ...options });
  opened.push(wifi);
  await wifi.open();
  return wifi;
}

async function failure(promise: Promise<unknown>): Promise<WifiError> {
  return promise.then(
    () => assert.unreachable('no error'),
    (error) => error,
  );
}

test('hands the password to NetworkManager as a secret of the system', async () => {
  const wifi = await open();
  await bus.appear({ ssid: 'hall', password });
  await wifi.connect({ ssid: 'hall', password });
  const settings = await bus.lastSettings();
  assert.equal(settings['802-11-wireless-security'], { 'key-mgmt': 'wpa-psk', psk: password, 'psk-flags': 0 });
  assert.is(Buffer.from(settings['802-11-wireless']?.ssid as number[]).toString(), 'hall');
  assert.is(settings.connection?.id, 'holdfast hall');
});

test('WPA3 alone is asked for as such', async () => {
  const wifi = await open();
  await bus.appear({ ssid: 'hall', password, security: 0x400 });
  await wifi.connect({ ssid: 'hall', password });
  assert.is((await bus.lastSettings())['802-11-wireless-security']?.['key-mgmt'], 'sae');
});

test('keeps one connection for a network, and none that failed', async () => {
  const wifi = await open();
  await bus.appear({ ssid: 'hall', password });
  await wifi.connect({ ssid: 'hall', password });
  await wifi.connect({ ssid: 'hall', password });
  assert.equal(await bus.profileIds(), ['holdfast hall']);
  await bus.appear({ ssid: 'gate', password, behaviour: 'asks' });
  assert.is((await failure(wifi.connect({ ssid: 'gate', password: 'wrong horse' }))).code, 'wrong-password');
  await bus.appear({ ssid: 'cellar', password, behaviour: 'no-address' });
  const error = await failure(wifi.connect({ ssid: 'cellar', password }));
  assert.is(error.code, 'failed');
  assert.match(error.message, 'DHCP');
  assert.equal(await bus.profileIds(), ['holdfast hall']);
});

test('leaves the network alone that it is connected to', async () => {
  const wifi = await open();
  await bus.appear({ ssid: 'hall', password });
  await wifi.connect({ ssid: 'hall', password });
  await bus.deny(true);
  assert.is((await wifi.connect({ ssid: 'hall' })).ssid, 'hall');
  assert.is((await failure(wifi.connect({ ssid: 'hall', password }))).code, 'denied');
});

test('names nmcli for what it cannot set up', async () => {
  const wifi = await open();
  await bus.appear({ ssid: 'office', security: 0x200 });
  const error = await failure(wifi.connect({ ssid: 'office', password }));
  assert.is(error.code, 'failed');
  assert.match(error.message, /802\.1X.*nmcli/);
});

test('gives up after its deadline, and is free for the next', async () => {
  const wifi = await open({ connectDeadlineMs: 300 });
  await bus.appear({ ssid: 'hall', password, behaviour: 'never' });
  const connecting = failure(wifi.connect({ ssid: 'hall', password }));
  assert.is((await failure(wifi.connect({ ssid: 'hall', password }))).code, 'busy');
  assert.is((await connecting).code, 'timeout');
  assert.equal(await bus.profileIds(), []);
  assert.is((await wifi.disconnect()).connection, 'disconnected');
});

test('a NetworkManager that does not answer is a timeout', async () => {
  const wifi = await open({ callDeadlineMs: 200 });
  bus.pause();
  assert.is((await failure(wifi.state())).code, 'timeout');
  assert.is((await failure(wifi.scan())).code, 'timeout');
  bus.resume();
  await until(async () => (await wifi.state().catch(() => undefined))?.driver === 'ready');
});

test('ends what is under way when NetworkManager, the adapter or the driver goes', async () => {
  await bus.appear({ ssid: 'hall', password, behaviour: 'never' });
  const begin = async () => {
    const wifi = await open();
    const connecting = failure(wifi.connect({ ssid: 'hall', password }));
    await until(async () => (await wifi.state()).connection === 'connecting');
    return { wifi, connecting };
  };
  const closing = await begin();
  await closing.wifi.close();
  assert.is((await closing.connecting).code, 'closed');
  assert.equal(await bus.profileIds(), []);
  const unplugged = await begin();
  await bus.unplug();
  assert.is((await unplugged.connecting).code, 'no-device');
  await bus.plug();
  const stopped = await begin();
  await bus.stopNetworkManager();
  assert.is((await stopped.connecting).code, 'no-service');
});

test('finds D-Bus again after it was gone', async () => {
  const wifi = await open();
  await bus.stop();
  await until(async () => (await wifi.state()).driver === 'no-service');
  assert.is((await failure(wifi.scan())).code, 'no-service');
  await bus.start();
  await bus.startNetworkManager();
  await bus.plug();
  await until(async () => (await wifi.state()).driver === 'ready');
});

test('takes the adapter of the name, and says which there are', async () => {
  await bus.plug('wlan1');
  assert.is((await (await open({ device: 'wlan1' })).state()).device, 'wlan1');
  assert.is((await (await open()).state()).device, 'wlan0');
  const { driver, text } = await (await open({ device: 'wlan7' })).state();
  assert.is(driver, 'no-device');
  assert.match(text ?? '', /wlan7, only wlan0, wlan1/);
});

test('says what to do about a radio that is off and an adapter that is left alone', async () => {
  const wifi = await open();
  await bus.setDeviceState(20);
  assert.match((await wifi.state()).text ?? '', /rfkill/);
  assert.is((await failure(wifi.scan())).code, 'no-device');
  await bus.setDeviceState(10);
  const { driver, connection, text } = await wifi.state();
  assert.equal([driver, connection], ['ready', 'unavailable']);
  assert.match(text ?? '', 'nmcli device set wlan0 managed yes');
});

test('a library that is not installed is a state', async () => {
  const wifi = await open({ loadLibrary: () => Promise.reject(new Error('not found')) });
  assert.is((await wifi.state()).driver, 'driver-missing');
  assert.is((await failure(wifi.connect({ ssid: 'hall', password }))).code, 'driver-missing');
});

test('no bus at all is a state', async () => {
  for (const address of ['unix:path=/nowhere/bus', 'nonsense']) {
    const wifi = await open({ address });
    assert.is((await wifi.state()).driver, 'no-service');
  }
});

test('reads how a network is protected', () => {
  const cases = [
    [0, 0, 0, 'open'],
    [1, 0, 0, 'wep'],
    [1, 0x100, 0, 'wpa'],
    [1, 0x100, 0x100, 'wpa2'],
    [1, 0, 0x500, 'wpa2'],
    [1, 0, 0x400, 'wpa3'],
    [0, 0, 0x800, 'owe'],
    [1, 0, 0x200, 'enterprise'],
  ] as const;
  for (const [flags, wpa, rsn, security] of cases) assert.is(securityOf(flags, wpa, rsn), security);
});

test.run();
