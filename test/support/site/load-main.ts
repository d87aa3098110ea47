/**
 * The load generator's process: the machines of one site. It writes which reports were acknowledged to a file before it
 * does anything else, answers `state` and takes `finish` (no new reports) and `end` over its IPC channel.
 */
import { openSync, writeSync } from 'node:fs';
import { Random } from '../random.ts';
import type { LoadOptions, LoadState } from './load.ts';
import { HttpMachine, MqttMachine, type Surroundings } from './load-machine.ts';

const options = JSON.parse(process.argv[2]!) as LoadOptions;
const random = new Random(options.seed);
const journal = openSync(options.journal, 'a');
const mistakes: string[] = [];

const world: Surroundings = {
  random,
  mqttPort: options.mqttPort,
  httpPort: options.httpPort,
  rate: options.rate,
  window: options.window ?? 32,
  forgets: options.forgets ?? 0.05,
  onAcknowledged: (serial, channel, n) => writeSync(journal, `${serial} ${channel} ${n}\n`),
  onMistake: (text) => {
    if (mistakes.length < 20) mistakes.push(text);
  },
  isFinishing: false,
  isOver: false,
};

const mqtt = options.mqttMachines.map((serial) => new MqttMachine(serial, world));
const http = options.httpMachines.map((serial) => new HttpMachine(serial, world));
const machines = [...mqtt, ...http];

process.on('message', (command: 'state' | 'finish' | 'end') => {
  if (command === 'finish') world.isFinishing = true;
  if (command === 'end') world.isOver = true;
  process.send!(state());
});
await Promise.all(machines.map((machine) => machine.live()));
process.disconnect();

function state(): LoadState {
  const sum = (pick: (machine: (typeof machines)[number]) => number) =>
    machines.reduce((total, machine) => total + pick(machine), 0);
  return {
    sent: Object.fromEntries(machines.map(({ serial, sent }) => [serial, sent])),
    acknowledged: sum(({ acknowledged }) => acknowledged),
    waiting: sum(({ waiting }) => waiting),
    forgotten: sum(({ forgotten }) => forgotten),
    repeated: sum(({ repeated }) => repeated),
    connections: sum(({ connections }) => connections),
    replies: mqtt.reduce((total, { replies }) => total + replies, 0),
    mistakes,
  };
}
