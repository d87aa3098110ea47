import { createServer, type Server, type Socket } from 'node:net';
import { createPort, simulated } from '@holdfast/hardware/serial';
import { PtyDevice } from '../../support/pty.ts';
import { freePort, temporaryFolder } from '../../support/temporary.ts';
import { contract } from './contract.ts';

contract('pseudo terminal', async () => {
  const folder = temporaryFolder();
  const device = new PtyDevice(folder.file('usb-Maker_Scale_0001-if00'));
  await device.plug();
  return {
    make: () => createPort(device.uri),
    deviceSends: (bytes) => void device.send(bytes),
    deviceReceived: () => device.received,
    unplug: () => device.unplug(),
    plug: async () => void (await device.plug()),
    async remove() {
      await device.unplug();
      folder.remove();
    },
  };
});

contract('TCP', async () => {
  const port = await freePort();
  const received: Buffer[] = [];
  const waiting: Buffer[] = [];
  let socket: Socket | undefined;
  let server: Server | undefined;
  const plug = () =>
    new Promise<void>((resolve) => {
      server = createServer((accepted) => {
        socket = accepted;
        accepted.on('error', () => {});
        accepted.on('data', (bytes) => received.push(bytes));
        for (const bytes of waiting.splice(0)) accepted.write(bytes);
      }).listen(port, '127.0.0.1', () => resolve());
    });
  const unplug = () =>
    new Promise<void>((resolve) => {
      socket?.destroy();
      socket = undefined;
      if (server) server.close(() => resolve());
      else resolve();
      server = undefined;
    });
  await plug();
  return {
    make: () => createPort(`tcp:127.0.0.1:${port}`),
    // The connection is open here a moment after it is there.
    deviceSends: (bytes) => void (socket ? socket.write(bytes) : waiting.push(bytes)),
    deviceReceived: () => Buffer.concat(received),
    unplug,
    plug,
    remove: unplug,
  };
});

let count = 0;
contract('simulated', async () => {
  const port = simulated.port(`contract-${count++}`);
  const received: Buffer[] = [];
  port.onReceive((bytes) => received.push(bytes));
  return {
    make: () => createPort(`sim:${port.name}`),
    deviceSends: (bytes) => void port.send(bytes),
    deviceReceived: () => Buffer.concat(received),
    unplug: async () => port.unplug(),
    plug: async () => port.plug(),
    remove: async () => {},
  };
});
