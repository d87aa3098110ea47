import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { listPorts, SerialError } from '@holdfast/hardware/serial';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openError } from '../../../hardware/serial/tty-port.ts';
import { temporaryFolder } from '../../support/temporary.ts';

const test = suite('list of serial ports');

test('USB ports by their lasting name with what they say of themselves; places without a chip are left out', async () => {
  const root = temporaryFolder();
  const write = (path: string, text: string) => {
    mkdirSync(dirname(root.file(path)), { recursive: true });
    writeFileSync(root.file(path), text);
  };
  const link = (target: string, path: string) => {
    mkdirSync(dirname(root.file(path)), { recursive: true });
    symlinkSync(target, root.file(path));
  };
  const usb = 'sys/devices/usb1/1-1';
  write(`${usb}/idVendor`, '0403\n');
  write(`${usb}/manufacturer`, 'FTDI\n');
  write(`${usb}/product`, 'FT232R USB UART\n');
  write(`${usb}/serial`, 'A50285BI\n');
  mkdirSync(root.file(`${usb}/1-1:1.0/ttyUSB0`), { recursive: true });
  link(root.file(`${usb}/1-1:1.0/ttyUSB0`), 'sys/class/tty/ttyUSB0/device');
  link('../../ttyUSB0', 'dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0');
  mkdirSync(root.file('sys/devices/uart'), { recursive: true });
  for (const [name, type] of [
    ['ttyS0', '4'],
    ['ttyS1', '0'],
  ] as const) {
    link(root.file('sys/devices/uart'), `sys/class/tty/${name}/device`);
    write(`sys/class/tty/${name}/type`, `${type}\n`);
  }
  mkdirSync(root.file('sys/class/tty/tty1'), { recursive: true });
  const byId = '/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0';
  assert.equal(await listPorts(root.path), [
    {
      uri: `tty:${byId}`,
      path: '/dev/ttyUSB0',
      byId,
      manufacturer: 'FTDI',
      product: 'FT232R USB UART',
      serialNumber: 'A50285BI',
    },
    { uri: 'tty:/dev/ttyS0', path: '/dev/ttyS0' },
  ]);
});

test('a computer without any is an empty list', async () => {
  assert.equal(await listPorts('/nowhere'), []);
});

test('what the system says of an opening becomes a state', () => {
  const cases = [
    ['Error: No such file or directory, cannot open /dev/ttyUSB0', 'port-missing'],
    ['Error: Permission denied, cannot open /dev/ttyUSB0', 'port-denied'],
    ['Error: Device or resource busy, cannot open /dev/ttyUSB0', 'port-busy'],
    ['Error Resource temporarily unavailable Cannot lock port', 'port-busy'],
    ['Error: Inappropriate ioctl for device, cannot get', 'port-failed'],
  ] as const;
  for (const [text, code] of cases) {
    const error = openError('/dev/ttyUSB0', new Error(text));
    assert.instance(error, SerialError);
    assert.is(error.code, code, text);
  }
});

test.run();
