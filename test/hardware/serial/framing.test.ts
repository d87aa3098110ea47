import { createFramer, encodeFrame, type Framing, SerialError, validateFraming } from '@holdfast/hardware/serial';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../support/random.ts';

const test = suite('framing');

/** What comes out: frames as latin1, drops as `reason:bytes`. */
function cut(framing: Framing, chunks: readonly Buffer[], maxFrameBytes?: number): string[] {
  const out: string[] = [];
  const framer = createFramer({
    framing,
    sink: {
      frame: (frame) => out.push(frame.toString('latin1')),
      dropped: (reason, bytes) => out.push(`<${reason}:${bytes}>`),
    },
    ...(maxFrameBytes && { maxFrameBytes }),
  });
  for (const chunk of chunks) framer.push(Buffer.from(chunk));
  if (framing.kind === 'silence') framer.gap();
  return out;
}

/** The same stream at once, byte by byte, and cut at random; all must give the same. */
function same(framing: Framing, stream: string, expected: string[], maxFrameBytes?: number): void {
  const bytes = Buffer.from(stream, 'latin1');
  assert.equal(cut(framing, [bytes], maxFrameBytes), expected, 'at once');
  assert.equal(
    cut(
      framing,
      [...bytes].map((byte) => Buffer.from([byte])),
      maxFrameBytes,
    ),
    expected,
    'byte by byte',
  );
  const seed = Math.floor(Math.random() * 2 ** 31);
  const random = new Random(seed);
  for (let round = 0; round < 50; round++) {
    const chunks: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const length = 1 + random.below(7);
      chunks.push(bytes.subarray(at, at + length));
      at += length;
    }
    assert.equal(cut(framing, chunks, maxFrameBytes), expected, `random, seed ${seed}`);
  }
}

test('lines of each kind; empty ones are left out', () => {
  same({ kind: 'line', end: 'lf' }, 'a\nbc\r\n\n\r\nd\re\nf', ['a', 'bc', 'd\re']);
  same({ kind: 'line', end: 'crlf' }, 'a\nb\r\nc\r\r\n\r\nd', ['a\nb', 'c\r']);
  same({ kind: 'line', end: 'cr' }, 'a\rb\n\r\rc', ['a', 'b\n']);
});

test('a delimiter of several bytes that overlaps itself; empty frames count', () => {
  same({ kind: 'delimiter', bytes: [0x61, 0x61, 0x62] }, 'xaaabyaabaabz', ['xa', 'y', '']);
  same({ kind: 'delimiter', bytes: [0x03] }, '\x02a\x03\x03b', ['\x02a', '']);
});

test('an overlong frame is dropped up to the next delimiter and reported once', () => {
  same({ kind: 'line', end: 'lf' }, `ab\n${'x'.repeat(50)}\ncd\n`, ['ab', '<overlong:50>', 'cd'], 10);
  same({ kind: 'line', end: 'lf' }, `${'x'.repeat(10)}\n${'y'.repeat(11)}\n`, ['x'.repeat(10), '<overlong:11>'], 10);
  same({ kind: 'delimiter', bytes: [0x0d, 0x0a] }, `${'x'.repeat(20)}\r\r\nok\r\n`, ['<overlong:21>', 'ok'], 10);
});

test('fixed length', () => same({ kind: 'fixed', length: 3 }, 'abcdefgh', ['abc', 'def']));

test('a length field before the payload, of each size and order', () => {
  same({ kind: 'length', offset: 0, size: 1, endian: 'big', adjust: 0 }, '\x02ab\x00\x01c\x05de', ['ab', '', 'c']);
  same({ kind: 'length', offset: 0, size: 2, endian: 'big', adjust: 0 }, '\x00\x02ab\x00\x01c', ['ab', 'c']);
  same({ kind: 'length', offset: 0, size: 2, endian: 'little', adjust: 0 }, '\x02\x00ab\x01\x00c', ['ab', 'c']);
  same({ kind: 'length', offset: 0, size: 4, endian: 'little', adjust: 0 }, '\x02\x00\x00\x00ab', ['ab']);
});

test('a length field inside: the frame is given whole; the field may count itself or a checksum', () => {
  same({ kind: 'length', offset: 1, size: 1, endian: 'big', adjust: -2 }, 'S\x04abS\x03c', ['S\x04ab', 'S\x03c']);
  same({ kind: 'length', offset: 2, size: 1, endian: 'big', adjust: 1 }, 'AB\x01xCAB\x00C', ['AB\x01xC', 'AB\x00C']);
});

test('a length that cannot be, and one that is too long', () => {
  same({ kind: 'length', offset: 0, size: 1, endian: 'big', adjust: -2 }, '\x01\x04ab', ['<malformed:1>', 'ab']);
  same(
    { kind: 'length', offset: 0, size: 1, endian: 'big', adjust: 0 },
    `\x14${'x'.repeat(20)}\x01a`,
    ['<overlong:21>', 'a'],
    10,
  );
});

test('silence throws away the begin of a counted frame where that is asked for', () => {
  const out: string[] = [];
  const framer = createFramer({
    framing: { kind: 'fixed', length: 3, resyncMs: 50 },
    sink: { frame: (frame) => out.push(String(frame)), dropped: (reason, bytes) => out.push(`<${reason}:${bytes}>`) },
  });
  assert.is(framer.gapMs, 50);
  framer.push(Buffer.from('abcd'));
  framer.gap();
  framer.gap();
  framer.push(Buffer.from('efg'));
  assert.equal(out, ['abc', '<unfinished:1>', 'efg']);
});

test('silence between frames', () => {
  same({ kind: 'silence', gapMs: 20 }, 'abc', ['abc']);
  same({ kind: 'silence', gapMs: 20 }, 'x'.repeat(11), ['<overlong:11>'], 10);
});

test('an expression between frames', () => {
  same({ kind: 'regex', pattern: '[\\r\\n]+' }, 'ab\r\n\ncd\re', ['ab', 'cd']);
  same({ kind: 'regex', pattern: ';|END' }, 'a;bENDcEN', ['a', 'b']);
  same({ kind: 'regex', pattern: ';' }, `${'x'.repeat(2000)};ok;`, ['<overlong:2000>', 'ok'], 10);
  same({ kind: 'regex', pattern: '\xff' }, 'a\xe9\xffb\xff', ['a\xe9', 'b']);
});

test('SLIP: escapes, empty frames, what the RFC does not know, and too long', () => {
  const slip: Framing = { kind: 'slip' };
  same(slip, '\xc0a\xdb\xdcb\xdb\xddc\xc0\xc0d\xc0e', ['a\xc0b\xdbc', 'd']);
  same(slip, 'a\xdbx\xc0b\xdb\xc0ok\xc0', ['<malformed:3>', '<malformed:2>', 'ok']);
  same(slip, `${'x'.repeat(11)}\xc0${'y'.repeat(10)}\xc0`, ['<overlong:11>', 'y'.repeat(10)], 10);
});

test('a loss in the middle drops what was begun, and only that', () => {
  const kinds: Framing[] = [
    { kind: 'line', end: 'lf' },
    { kind: 'delimiter', bytes: [10] },
    { kind: 'regex', pattern: '\\n' },
  ];
  for (const framing of kinds) {
    const out: string[] = [];
    const framer = createFramer({
      framing,
      sink: { frame: (frame) => out.push(String(frame)), dropped: (reason, bytes) => out.push(`<${reason}:${bytes}>`) },
    });
    framer.push(Buffer.from('one\ntw'));
    framer.reset();
    framer.reset();
    framer.push(Buffer.from('three\n'));
    assert.equal(out, ['one', '<unfinished:2>', 'three'], framing.kind);
  }
});

test('what is encoded is cut out again as it was', () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const random = new Random(seed);
  const kinds: Framing[] = [
    { kind: 'line', end: 'crlf' },
    { kind: 'delimiter', bytes: [0x7e, 0x7f] },
    { kind: 'fixed', length: 5 },
    { kind: 'length', offset: 0, size: 2, endian: 'little', adjust: 2 },
    { kind: 'slip' },
  ];
  for (const framing of kinds) {
    const payloads: string[] = [];
    for (let count = 0; count < 100; count++) {
      const length = framing.kind === 'fixed' ? 5 : 3 + random.below(40);
      const least = framing.kind === 'slip' || framing.kind === 'length' ? 0 : 0x80;
      payloads.push(String.fromCharCode(...Array.from({ length }, () => least + random.below(256 - least))));
    }
    const stream = Buffer.concat(payloads.map((payload) => encodeFrame(framing, Buffer.from(payload, 'latin1'))));
    assert.equal(cut(framing, [stream]), payloads, `${framing.kind}, seed ${seed}`);
  }
});

test('encoding: a delimiter that is there is not doubled; what does not fit is an error', () => {
  assert.is(encodeFrame({ kind: 'line', end: 'lf' }, Buffer.from('a\n')).toString(), 'a\n');
  assert.is(encodeFrame({ kind: 'silence', gapMs: 5 }, Buffer.from('a')).toString(), 'a');
  assert.is(
    encodeFrame({ kind: 'length', offset: 1, size: 1, endian: 'big', adjust: 0 }, Buffer.from('S?ab')).toString(),
    'S\x02ab',
  );
  const refused: [Framing, string][] = [
    [{ kind: 'fixed', length: 3 }, 'ab'],
    [{ kind: 'length', offset: 0, size: 1, endian: 'big', adjust: 0 }, 'x'.repeat(256)],
    [{ kind: 'length', offset: 3, size: 2, endian: 'big', adjust: 0 }, 'abcd'],
  ];
  for (const [framing, payload] of refused) {
    assert.throws(
      () => encodeFrame(framing, Buffer.from(payload)),
      (error: unknown) => error instanceof SerialError && error.code === 'not-encodable',
    );
  }
});

test('wrong framings are refused with what is allowed', () => {
  const wrong: Framing[] = [
    { kind: 'delimiter', bytes: [] },
    { kind: 'delimiter', bytes: [256] },
    { kind: 'fixed', length: 0 },
    { kind: 'silence', gapMs: 0 },
    { kind: 'regex', pattern: '(' },
    { kind: 'regex', pattern: 'x*' },
    { kind: 'length', offset: 0, size: 3 as 2, endian: 'big', adjust: 0 },
    { kind: 'line', end: 'nl' as 'lf' },
    { kind: 'other' as 'slip' },
  ];
  for (const framing of wrong) {
    assert.throws(
      () => validateFraming(framing),
      (error: unknown) => error instanceof SerialError && error.code === 'invalid-framing',
      JSON.stringify(framing),
    );
  }
});

test.run();
