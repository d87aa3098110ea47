/**
 * A load generator for MQTT brokers, in a process of its own and with raw packets: with a client library the generator
 * would be the limit. Each client keeps `--inflight` reports of QoS 1 under way, subscribes to its replies (with
 * `--replies`) and acknowledges them. Every report is different. Prints one line of JSON.
 *
 *   bin/node test/bench/mqtt-load.ts --port 1883 --clients 16 --inflight 64 --payload 512 --seconds 5
 *
 * `--count N` sends N reports in all instead. `--password P` logs in as the client's own 序列号; `--warmup S` seconds
 * are not counted (but stand in `acknowledgedInAll`). `--topic T` publishes elsewhere than on the process channel (for
 * other brokers). `--serial S` begins every 序列号: another for each run, or two runs might send the same report.
 */
import { connect, type Socket } from 'node:net';
import { parseArgs } from 'node:util';
import { firstLayer, sampleReport } from './support/body.ts';

const { values } = parseArgs({
  options: {
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '1883' },
    clients: { type: 'string', default: '16' },
    inflight: { type: 'string', default: '64' },
    payload: { type: 'string', default: '512' },
    seconds: { type: 'string', default: '5' },
    warmup: { type: 'string', default: '1' },
    count: { type: 'string' },
    qos: { type: 'string', default: '1' },
    replies: { type: 'boolean', default: false },
    topic: { type: 'string', default: 'device_process_info' },
    serial: { type: 'string', default: 'load' },
    username: { type: 'string' },
    password: { type: 'string' },
  },
});
const clients = Number(values.clients);
const inflight = Number(values.inflight);
const qos = Number(values.qos);
const total = values.count === undefined ? Number.POSITIVE_INFINITY : Number(values.count);

const latencies = new Float64Array(4_000_000);
const state = {
  sent: 0,
  acknowledged: 0,
  counted: 0,
  replies: 0,
  closed: 0,
  isCounting: total !== Number.POSITIVE_INFINITY,
};
let startedAt = performance.now();

const text = (value: string) => {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
};

function packet(first: number, body: Buffer): Buffer {
  const header = [first];
  let rest = body.length;
  for (; rest >= 128; rest >>>= 7) header.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([...header, rest]), body]);
}

class LoadClient {
  readonly #socket: Socket;
  readonly #serial: string;
  readonly #template: Buffer;
  readonly #idAt: number;
  readonly #layerAt: number;
  readonly #sentAt = new Float64Array(65_536);
  readonly #ready: () => void;
  #rest: Buffer | undefined;
  #nextId = 0;
  #layer = firstLayer + Math.floor(Math.random() * 1_000_000_000);
  #underWay = 0;

  constructor(index: number, ready: () => void) {
    this.#serial = `${values.serial}${index}`;
    this.#ready = ready;
    const { body, at } = sampleReport(this.#serial, Number(values.payload));
    const head = qos === 0 ? text(values.topic) : Buffer.concat([text(values.topic), Buffer.alloc(2)]);
    this.#template = packet(0x30 | (qos << 1), Buffer.concat([head, body]));
    this.#idAt = this.#template.length - body.length - 2;
    this.#layerAt = this.#template.length - body.length + at;
    this.#socket = connect(Number(values.port), values.host, () => this.#login());
    this.#socket.setNoDelay(true);
    this.#socket.on('data', (chunk) => this.#read(chunk));
    this.#socket.on('close', () => {
      state.closed++;
    });
    this.#socket.on('error', (error) => console.error(error.message));
  }

  #login(): void {
    const user = values.password === undefined ? undefined : (values.username ?? this.#serial);
    const flags = 2 | (user === undefined ? 0 : 0xc0);
    const credentials = user === undefined ? [] : [text(user), text(values.password ?? '')];
    const head = Buffer.from([0, 4, 77, 81, 84, 84, 4, flags, 0, 0]);
    this.#socket.write(packet(0x10, Buffer.concat([head, text(`c-${this.#serial}`), ...credentials])));
  }

  #read(chunk: Buffer): void {
    const data = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    const acknowledgements = Buffer.allocUnsafe(4 * (data.length >> 4) + 4);
    let acknowledged = 0;
    let answers = 0;
    let at = 0;
    while (at + 2 <= data.length) {
      let length = data[at + 1]!;
      let body = at + 2;
      if (length >= 128) {
        if (at + 3 > data.length) break;
        length = (length & 127) + (data[at + 2]! << 7);
        body = at + 3;
      }
      if (body + length > data.length) break;
      const type = data[at]! >> 4;
      if (type === 4) {
        acknowledged++;
        const id = (data[body]! << 8) | data[body + 1]!;
        if (state.isCounting) latencies[state.counted++ % latencies.length] = performance.now() - this.#sentAt[id]!;
      } else if (type === 3) {
        state.replies++;
        if ((data[at]! & 6) !== 0) {
          const idAt = body + 2 + ((data[body]! << 8) | data[body + 1]!);
          acknowledgements[answers++] = 0x40;
          acknowledgements[answers++] = 2;
          acknowledgements[answers++] = data[idAt]!;
          acknowledgements[answers++] = data[idAt + 1]!;
        }
      } else if (type === 2) {
        if (data[body + 1] !== 0) throw new Error(`CONNACK ${data[body + 1]}`);
        if (values.replies) {
          const filter = Buffer.concat([
            Buffer.from([0, 1]),
            text(`${values.topic}_${this.#serial}_res`),
            Buffer.from([1]),
          ]);
          this.#socket.write(packet(0x82, filter));
        } else this.#ready();
      } else if (type === 9) {
        if (data[body + 2] === 0x80) throw new Error('the subscription was refused');
        this.#ready();
      }
      at = body + length;
    }
    this.#rest = at < data.length ? data.subarray(at) : undefined;
    this.#underWay -= acknowledged;
    state.acknowledged += acknowledged;
    this.#send(acknowledgements.subarray(0, answers));
  }

  /** Sends as many reports as may be under way, with what else there is, in one write. */
  send(): void {
    this.#send(Buffer.alloc(0));
  }

  #send(before: Buffer): void {
    const size = this.#template.length;
    const wanted =
      state.acknowledged === 0 && this.#underWay === 0 && this.#nextId === 0 ? inflight : inflight - this.#underWay;
    const many = this.#nextId === 0 && !started ? 0 : Math.max(0, Math.min(wanted, total - state.sent));
    if (many === 0 && before.length === 0) return;
    const out = Buffer.allocUnsafe(before.length + many * size);
    before.copy(out);
    const now = performance.now();
    for (let index = 0; index < many; index++) {
      const at = before.length + index * size;
      this.#template.copy(out, at);
      this.#nextId = (this.#nextId % 65_535) + 1;
      if (qos > 0) {
        out[at + this.#idAt] = this.#nextId >> 8;
        out[at + this.#idAt + 1] = this.#nextId & 0xff;
      }
      out.write(String(this.#layer++), at + this.#layerAt, 'latin1');
      this.#sentAt[this.#nextId] = now;
    }
    this.#underWay += many;
    state.sent += many;
    this.#socket.write(out);
  }

  close(): void {
    this.#socket.destroy();
  }
}

let started = false;
const all: LoadClient[] = [];
await Promise.all(
  Array.from({ length: clients }, (_, index) => new Promise<void>((ready) => all.push(new LoadClient(index, ready)))),
);
started = true;
startedAt = performance.now();
for (const client of all) client.send();
if (total === Number.POSITIVE_INFINITY) {
  await new Promise((resolve) => setTimeout(resolve, Number(values.warmup) * 1000));
  state.isCounting = true;
  startedAt = performance.now();
  const repliesBefore = state.replies;
  await new Promise((resolve) => setTimeout(resolve, Number(values.seconds) * 1000));
  state.isCounting = false;
  state.replies -= repliesBefore;
} else {
  const deadline = performance.now() + 600_000;
  while ((state.acknowledged < total || (values.replies && state.replies < total)) && performance.now() < deadline) {
    if (state.closed === clients) break;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
const elapsedMs = performance.now() - startedAt;
const sorted = latencies.subarray(0, Math.min(state.counted, latencies.length)).sort();
const percentile = (part: number) => Number((sorted[Math.floor(sorted.length * part)] ?? 0).toFixed(2));
console.log(
  JSON.stringify({
    perSecond: Math.round((state.counted / elapsedMs) * 1000),
    acknowledged: state.counted,
    acknowledgedInAll: state.acknowledged,
    replies: state.replies,
    seconds: Number((elapsedMs / 1000).toFixed(2)),
    latencyMs: { p50: percentile(0.5), p99: percentile(0.99), max: percentile(0.999999) },
    closed: state.closed,
  }),
);
for (const client of all) client.close();
