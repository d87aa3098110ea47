import type { BoardProfile } from './profile.ts';
import { raspberryPiHeader } from './raspberry-pi-header.ts';

const levels = 'The pins take 3.3 V, never 5 V, and drive a few mA: a relay needs a driver.';
const identity = 'GPIO 0 and 1 (pins 27 and 28) read the EEPROM of a HAT while the board starts; leave them free.';
const pulls = 'GPIO 2 and 3 (pins 3 and 5) have 1.8 kΩ pull-ups on the board.';
const bluetooth =
  'With Bluetooth on, /dev/serial0 is the small UART (ttyS0), whose rate follows the core clock; dtoverlay=disable-bt gives the header the full one (ttyAMA0).';
const usbSerial = {
  path: '/dev/serial/by-id/',
  note: 'USB adapters; the name stays the same whichever socket they are in.',
};
const headerSerial = {
  path: '/dev/serial0',
  note: 'Header pins 8 (TXD) and 10 (RXD), once the serial port is switched on and the login console off (raspi-config).',
};

/** Every board whose pins are known by name. */
export const boardProfiles: readonly BoardProfile[] = [
  {
    name: 'raspberry-pi-3',
    title: 'Raspberry Pi 3',
    models: ['Raspberry Pi 3', 'Raspberry Pi Compute Module 3'],
    chipLabels: ['pinctrl-bcm2835'],
    pins: raspberryPiHeader,
    serialPorts: [headerSerial, usbSerial],
    notes: [levels, identity, pulls, bluetooth],
  },
  {
    name: 'raspberry-pi-4',
    title: 'Raspberry Pi 4',
    models: ['Raspberry Pi 4', 'Raspberry Pi Compute Module 4'],
    chipLabels: ['pinctrl-bcm2711'],
    pins: raspberryPiHeader,
    serialPorts: [
      headerSerial,
      {
        path: '/dev/ttyAMA2',
        note: 'Further UARTs 2 to 5 with dtoverlay=uart2 and so on; the numbers follow the overlays.',
      },
      usbSerial,
    ],
    notes: [levels, identity, pulls, bluetooth],
  },
  {
    name: 'raspberry-pi-5',
    title: 'Raspberry Pi 5',
    models: ['Raspberry Pi 5', 'Raspberry Pi Compute Module 5'],
    chipLabels: ['pinctrl-rp1'],
    pins: raspberryPiHeader,
    serialPorts: [
      { path: '/dev/ttyAMA0', note: 'Header pins 8 (TXD) and 10 (RXD), with dtparam=uart0=on.' },
      {
        path: '/dev/ttyAMA10',
        note: 'The three-pin debug connector; /dev/serial0 points here unless it is told otherwise.',
      },
      usbSerial,
    ],
    notes: [
      levels,
      identity,
      pulls,
      'The header hangs on the RP1 chip: its character device is gpiochip4 or gpiochip0, depending on the kernel, so name it by its label.',
    ],
  },
  {
    name: 'raspberry-pi-zero-2',
    title: 'Raspberry Pi Zero 2 W',
    models: ['Raspberry Pi Zero 2'],
    chipLabels: ['pinctrl-bcm2835'],
    pins: raspberryPiHeader,
    serialPorts: [headerSerial, usbSerial],
    notes: [levels, identity, pulls, bluetooth],
  },
  {
    name: 'generic-x86',
    title: 'PC or gateway box (x86)',
    models: [],
    chipLabels: [],
    pins: [],
    serialPorts: [
      { path: '/dev/ttyS0', note: 'First serial port of the main board; ttyS1 and so on follow.' },
      usbSerial,
    ],
    notes: [
      'It has no header. GPIO of an expander or of the main board is named by its chip, such as "gpiod:LABEL"; gpiodetect lists the chips.',
    ],
  },
  {
    name: 'simulated',
    title: 'Simulated board',
    models: [],
    chipLabels: [],
    uri: 'sim:box',
    pins: raspberryPiHeader,
    serialPorts: [],
    notes: ['Nothing of it is real: its buttons are pressed from the console, a command or a test.'],
  },
];
