import { openWifi, SimulatedRadio, WifiError } from '@holdfast/hardware/wifi';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { wifiContract } from './contract.ts';

wifiContract('simulated', async () => {
  const radio = SimulatedRadio.named('contract');
  return {
    rig: {
      wifi: openWifi('sim:contract'),
      appear: async (network) => radio.appear(network),
      vanish: async (ssid) => radio.vanish(ssid),
      unplug: async () => radio.unplug(),
      plug: async () => radio.plug(),
      deny: async (denied) => radio.fail(denied ? 'denied' : undefined),
      serviceLeaves: async () => radio.fail('no-service'),
      serviceReturns: async () => radio.reset(),
      reset: async () => radio.reset(),
    },
    remove: async () => {},
  };
});

const test = suite('opening by URI');

test('the same name is the same radio', async () => {
  SimulatedRadio.named('one').appear({ ssid: 'yard' });
  const [first, second, other] = [openWifi('sim:one'), openWifi('sim:one'), openWifi('sim:two')];
  for (const wifi of [first, second, other]) await wifi.open();
  await first.connect({ ssid: 'yard' });
  assert.is((await second.state()).ssid, 'yard');
  assert.is((await other.state()).connection, 'disconnected');
});

test('refuses what is no URI of an adapter', () => {
  for (const uri of [
    '',
    'wlan0',
    'sim:',
    'auto:wlan0',
    'networkmanager:wlan 0',
    'http://wlan0',
    `sim:${'a'.repeat(70)}`,
  ]) {
    try {
      openWifi(uri);
      assert.unreachable(uri);
    } catch (error) {
      assert.instance(error, WifiError);
      assert.is((error as WifiError).code, 'invalid');
    }
  }
});

test.run();
