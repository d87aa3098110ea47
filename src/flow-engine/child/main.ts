/**
 * The flow engine's own process: Node-RED with the palette, and nothing else of the gateway.
 *
 * What it is to do comes over IPC. It says once a second that its event loop turns; it ends in order on the message
 * `stop`, and within two seconds when the gateway has gone, because flows without a gateway can keep nothing safe.
 * Anything that is thrown and not caught ends it; the gateway starts it again.
 */
import { describeError } from '../../errors.ts';
// Not by the room's index, which would load the logger of the gateway as well.
import { systemClock } from '../../platform/clock.ts';
import type { ChildSettings, DeviceRequest, Order } from '../protocol.ts';
import { Engine } from './engine.ts';
import { Parent } from './parent.ts';

const aliveEveryMs = 1000;
const orphanMs = 2000;

const clock = systemClock();
const parent = new Parent(clock);
let engine: Engine | undefined;

function tellAlive(): void {
  parent.tell({ kind: 'alive', ...(engine?.figures ?? { held: 0, dropped: 0, underWay: 0 }) });
}

async function start(settings: ChildSettings): Promise<void> {
  engine = new Engine({ settings, parent, clock });
  await engine.start();
  tellAlive();
}

async function stop(): Promise<void> {
  try {
    await engine?.stop();
    tellAlive();
  } finally {
    process.exit(0);
  }
}

async function driveDevices(id: number, request: DeviceRequest): Promise<void> {
  const { answerAboutDevices } = await import('./devices.ts');
  parent.tell({ kind: 'devices', id, answer: await answerAboutDevices(request) });
}

process.on('message', (order: Order) => {
  if (order.kind === 'answer') parent.take(order);
  else if (order.kind === 'certificate') engine?.setCertificate(order.tls);
  else if (order.kind === 'devices') void driveDevices(order.id, order.request);
  else if (order.kind === 'stop') void stop();
  else {
    start(order.settings).catch((error: unknown) => {
      process.stderr.write(`Node-RED did not start: ${describeError(error)}\n`);
      process.exit(1);
    });
  }
});
process.once('disconnect', () => {
  clock.after(orphanMs, () => process.exit(0));
  void stop();
});
// Ctrl-C reaches every process of a terminal; the gateway says when it is time.
process.on('SIGINT', () => {});
clock.every(aliveEveryMs, tellAlive);
tellAlive();
