import type { OutgoingReport } from './transport.ts';

/**
 * Writes basic.publish as AMQP 0-9-1 frames (method, content header, body): for one connection and one channel, with
 * the properties and headers of contracts/machines.md, 'Gateway to centre'.
 *
 * Of a report only a few fields differ from the one before it; everything else is laid out once per channel of reports
 * and copied. A general client builds each message from objects, which took most of the time of draining a spool.
 */
export class PublishFrames {
  readonly #channelNumber: number;
  readonly #maxBody: number;
  readonly #appId: string;
  readonly #replyTo: string | undefined;
  readonly #layouts = new Map<string, Layout>();

  /** `frameMax`: bytes of the largest frame that was agreed on; `replyTo`: where receipts are wanted. */
  constructor(options: { channelNumber: number; frameMax: number; appId: string; replyTo: string | undefined }) {
    this.#channelNumber = options.channelNumber;
    this.#maxBody = options.frameMax - frameOverhead;
    this.#appId = options.appId;
    this.#replyTo = options.replyTo;
  }

  /** Most bytes that `write` takes for this report. */
  room(report: OutgoingReport): number {
    const { length } = report.body;
    const frames = Math.max(1, Math.ceil(length / this.#maxBody));
    return this.#layout(report.channel).size + variableRoom + report.messageId.length + length + frames * frameOverhead;
  }

  /** Writes the frames of a report at `offset`; returns where they end. */
  write(report: OutgoingReport, target: Buffer, offset: number): number {
    const layout = this.#layout(report.channel);
    let at = offset + layout.start.copy(target, offset);
    target.writeBigUInt64BE(BigInt(report.body.length), offset + layout.bodySizeAt);
    const tableAt = at;
    at = writeTable(report, target, at + 4);
    target.writeUInt32BE(at - tableAt - 4, tableAt);
    target[at++] = persistent;
    at += layout.replyTo.copy(target, at);
    at = writeShort(report.messageId, target, at);
    // AMQP knows whole seconds only; the header has the milliseconds.
    at = target.writeBigUInt64BE(BigInt(Math.max(0, Math.floor(report.acceptedAtMs / 1000))), at);
    at += layout.end.copy(target, at);
    const headerAt = offset + layout.headerSizeAt;
    target.writeUInt32BE(at - headerAt - 4, headerAt);
    target[at++] = frameEnd;
    return this.#writeBody(report.body, target, at);
  }

  #writeBody(body: Uint8Array, target: Buffer, offset: number): number {
    let at = offset;
    for (let from = 0; from < body.length; from += this.#maxBody) {
      const part = body.length <= this.#maxBody ? body : body.subarray(from, from + this.#maxBody);
      at = writeFrameStart(frameBody, this.#channelNumber, part.length, target, at);
      target.set(part, at);
      at += part.length;
      target[at++] = frameEnd;
    }
    return at;
  }

  #layout(channel: string): Layout {
    let layout = this.#layouts.get(channel);
    if (layout === undefined) {
      layout = layOut(channel, this.#channelNumber, this.#appId, this.#replyTo);
      this.#layouts.set(channel, layout);
    }
    return layout;
  }
}

/** What is the same for all reports of a channel. */
interface Layout {
  /** The method's frame, and the content header up to its table of headers. */
  readonly start: Buffer;
  readonly replyTo: Buffer;
  /** `type` and `app_id`. */
  readonly end: Buffer;
  /** Offsets in `start`, of sizes that are known at the end. */
  readonly headerSizeAt: number;
  readonly bodySizeAt: number;
  readonly size: number;
}

const frameMethod = 1;
const frameHeader = 2;
const frameBody = 3;
const frameEnd = 0xce;
/** Type, channel, size and the mark at the end. */
const frameOverhead = 8;
const classBasic = 60;
const methodPublish = 40;
const mandatory = 0b01;
const persistent = 2;
/** Flags of the properties that are set, from the highest bit down in the specification's order. */
const flags = {
  contentType: 1 << 15,
  headers: 1 << 13,
  deliveryMode: 1 << 12,
  replyTo: 1 << 9,
  messageId: 1 << 7,
  timestamp: 1 << 6,
  type: 1 << 5,
  appId: 1 << 3,
} as const;
const contentType = 'application/json';
const tags = { int64: 0x6c, longString: 0x53 } as const;

/** Headers of a report: a name, a tag and up to eleven bytes each; mode, timestamp and lengths. */
const variableRoom = 160;

const sequenceName = shortString('x-sequence');
const acceptedName = shortString('x-accepted-at');
const clockName = shortString('x-clock');
const previousName = shortString('x-previous');
const clockValues = {
  trusted: Buffer.concat([clockName, longString('trusted')]),
  untrusted: Buffer.concat([clockName, longString('untrusted')]),
} as const;

function layOut(channel: string, channelNumber: number, appId: string, replyTo: string | undefined): Layout {
  const routingKey = shortString(channel);
  // Reserved short, the default exchange's empty name, the routing key, the bits.
  const publish = Buffer.concat([Buffer.from([0, 0, 0]), routingKey, Buffer.from([mandatory])]);
  const method = Buffer.alloc(frameOverhead + 4 + publish.length);
  let at = writeFrameStart(frameMethod, channelNumber, 4 + publish.length, method, 0);
  at = method.writeUInt16BE(classBasic, at);
  at = method.writeUInt16BE(methodPublish, at);
  at += publish.copy(method, at);
  method[at] = frameEnd;

  const header = Buffer.alloc(frameOverhead - 1 + 14);
  at = writeFrameStart(frameHeader, channelNumber, 0, header, 0);
  const headerSizeAt = method.length + at - 4;
  at = header.writeUInt16BE(classBasic, at);
  at = header.writeUInt16BE(0, at);
  const bodySizeAt = method.length + at;
  at += 8;
  const { replyTo: replyFlag, ...others } = flags;
  const all = Object.values(others).reduce((bits, flag) => bits | flag, replyTo === undefined ? 0 : replyFlag);
  header.writeUInt16BE(all, at);

  const start = Buffer.concat([method, header, shortString(contentType)]);
  const reply = replyTo === undefined ? Buffer.alloc(0) : shortString(replyTo);
  const end = Buffer.concat([shortString(channel), shortString(appId)]);
  return {
    start,
    replyTo: reply,
    end,
    headerSizeAt,
    bodySizeAt,
    size: start.length + reply.length + end.length + frameOverhead,
  };
}

function writeTable(report: OutgoingReport, target: Buffer, offset: number): number {
  let at = writeInteger(sequenceName, report.sequence, target, offset);
  at = writeInteger(acceptedName, report.acceptedAtMs, target, at);
  at += clockValues[report.clockTrusted ? 'trusted' : 'untrusted'].copy(target, at);
  return report.previous === undefined ? at : writeInteger(previousName, report.previous, target, at);
}

function writeInteger(name: Buffer, value: number, target: Buffer, offset: number): number {
  let at = offset + name.copy(target, offset);
  target[at++] = tags.int64;
  // Two halves: a BigInt for each would be the dearest part of a report.
  const high = Math.floor(value / 0x1_0000_0000);
  at = target.writeInt32BE(high, at);
  return target.writeUInt32BE(value - high * 0x1_0000_0000, at);
}

function writeShort(text: string, target: Buffer, offset: number): number {
  const length = target.write(text, offset + 1, 'latin1');
  target[offset] = length;
  return offset + 1 + length;
}

function writeFrameStart(type: number, channelNumber: number, size: number, target: Buffer, offset: number): number {
  target[offset] = type;
  const at = target.writeUInt16BE(channelNumber, offset + 1);
  return target.writeUInt32BE(size, at);
}

/** All names here are ASCII of at most 128 characters. */
function shortString(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}

function longString(text: string): Buffer {
  const bytes = Buffer.from(text);
  const size = Buffer.alloc(5);
  size[0] = tags.longString;
  size.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([size, bytes]);
}
