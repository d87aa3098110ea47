/** Who tries to get in: guessers, whoever has an old code, somebody in between, and whoever reads the database. */
import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { createServer, type Server } from 'node:tls';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { askAgainMs, EnrolmentDesk, enrolmentCollection, issueCode } from '../../src/central/index.ts';
import {
  drawCode,
  lookupHash,
  newBoxKey,
  openSettings,
  parseCode,
  readAnswer,
  signRequest,
} from '../../src/enrolment/index.ts';
import { type ErrorCode, isHoldfastError } from '../../src/errors.ts';
import { silentLogger } from '../../src/platform/index.ts';
import { SqliteDocumentStore } from '../../src/store/index.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { startMongo } from '../support/mongodb.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { type CertificateFiles, testCertificates } from '../support/tls.ts';
import { enrol, settings, startCentre, type TestCentre } from './support.ts';

const test = suite('enrolment, security');
const certificates = testCertificates();
let centre: TestCentre;

test.before.each(async () => {
  centre = await startCentre();
});
test.after.each(() => centre.central.stop());

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly retryAfter: string | undefined;
}

function post(url: URL, body: string | Buffer, path = '/enrol'): Promise<Answer> {
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const request = send(
      `${url.origin}${path}`,
      { method: 'POST', ca: readFileSync(certificates.ca), rejectUnauthorized: false },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part) => {
          text += part;
        });
        response.on('end', () =>
          resolve({ status: response.statusCode!, text, retryAfter: response.headers['retry-after'] }),
        );
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

const question = (lookup: string, box = newBoxKey(), gateway = 'gw-1') =>
  JSON.stringify(signRequest({ lookup, gateway, fixed: false }, box));

async function fails(promise: Promise<unknown>, code: ErrorCode, text: RegExp): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(isHoldfastError(error, code), String(error));
  assert.match(error.message, text);
}

test('unknown, used and expired codes get the same answer', async () => {
  const used = await centre.code();
  await enrol(centre, used);
  const expired = await centre.code({}, -1000);
  const answers = [];
  for (const { lookup } of [drawCode(), used, expired]) answers.push(await post(centre.url, question(lookup)));
  for (const { status, text } of answers) assert.equal([status, text], [403, '{"error":"refused"}']);
  for (const code of [drawCode(), used, expired])
    await fails(enrol(centre, code), 'enrolment-refused', /does not know/);
});

test('whoever guesses is made to wait, and a good code does not wait behind a few mistakes', async () => {
  const code = await centre.code();
  for (let mistake = 0; mistake < 5; mistake++) await post(centre.url, question(drawCode().lookup));
  await enrol(centre, code);
  const statuses: number[] = [];
  for (let guess = 0; guess < 30; guess++) {
    const { status, retryAfter } = await post(centre.url, question(drawCode().lookup));
    statuses.push(status);
    if (status === 429) assert.ok(Number(retryAfter) >= 1);
  }
  assert.ok(statuses.filter((status) => status === 403).length <= 8, statuses.join());
  assert.is(statuses.at(-1), 429);
  // Many at once do not get past it either.
  const together = await Promise.all(Array.from({ length: 20 }, () => post(centre.url, question(drawCode().lookup))));
  assert.ok(together.every(({ status }) => status === 429));
  await fails(enrol(centre, await centre.code()), 'enrolment-refused', /too many/);
});

test('of many boxes that show a code at once, one is answered', async () => {
  const { lookup } = await centre.code();
  const answers = await Promise.all(Array.from({ length: 8 }, () => post(centre.url, question(lookup))));
  assert.is(answers.filter(({ status }) => status === 200).length, 1);
});

test('the same with the codes at a server of the MongoDB protocol, and each box may ask again', async () => {
  const mongo = await startMongo({ own: true });
  const there = await startCentre(undefined, undefined, mongo.url);
  try {
    const { lookup } = await there.code();
    const boxes = Array.from({ length: 8 }, () => newBoxKey());
    const answers = await Promise.all(boxes.map((box) => post(there.url, question(lookup, box))));
    const enrolled = boxes.filter((_box, place) => answers[place]!.status === 200);
    assert.is(enrolled.length, 1);
    const [again, expired] = [enrolled[0]!, await there.code({}, -1000)];
    assert.is((await post(there.url, question(lookup, again))).status, 200);
    assert.is((await post(there.url, question(expired.lookup, again))).status, 403);
  } finally {
    await there.central.stop();
    await mongo.stop();
  }
});

test('a code for another gateway is neither used nor used up', async () => {
  const code = await centre.code({ gateway: 'gw-a' });
  await fails(enrol(centre, code, { configuredId: 'gw-b' }), 'enrolment-conflict', /gw-b.*for gw-a/);
  assert.is((await enrol(centre, code)).gateway, 'gw-a');
});

test('what is no question changes nothing and crashes nothing', async () => {
  const { lookup } = await centre.code();
  const good = JSON.parse(question(lookup)) as Record<string, unknown>;
  const bodies = [
    '',
    'null',
    '[]',
    '{"lookup":',
    '\u0000',
    JSON.stringify({ ...good, lookup: { $gt: '' } }),
    JSON.stringify({ ...good, box: ['x'] }),
    JSON.stringify({ ...good, gateway: '../../etc' }),
    JSON.stringify({ ...good, signature: good.nonce }),
  ];
  for (const body of bodies) assert.is((await post(centre.url, body)).status, 400, body);
  assert.is((await post(centre.url, 'x'.repeat(5000))).status, 413);
  const [kept] = await centre.central.store.find(enrolmentCollection, { filter: { _id: lookupHash(lookup) } });
  assert.is(kept?.state, 'open');
});

test('a dump of the database tells neither code nor password', async () => {
  const code = await centre.code({ gateway: 'gw-x' });
  await enrol(centre, code);
  const documents = await centre.central.store.find(enrolmentCollection);
  const dump = JSON.stringify(documents, (_key, value) => (typeof value === 'bigint' ? `${value}` : value));
  const sealed = documents.map((document) => Buffer.from(String(document.sealed), 'base64').toString('latin1'));
  for (const text of [dump, ...sealed]) {
    assert.not.match(text, new RegExp(`s3cret|broker\\.example|${code.lookup}|${code.secret}|BEGIN`));
  }
  for (const line of centre.log) assert.not.match(line, new RegExp(`s3cret|${code.lookup}|${code.secret}`));
});

test('the centre itself, and whoever reads along, cannot open what it hands out', async () => {
  const code = await centre.code();
  const box = newBoxKey();
  const asked = JSON.parse(question(code.lookup, box));
  const answer = readAnswer(JSON.parse((await post(centre.url, JSON.stringify(asked))).text), asked)!;
  assert.is(openSettings(answer.sealed, { lookup: code.lookup, secret: drawCode().secret }), undefined);
  assert.equal(openSettings(answer.sealed, code), settings);
  // Asked again it is signed anew: the answer of before does not fit.
  const again = JSON.parse(question(code.lookup, box));
  const second = JSON.parse((await post(centre.url, JSON.stringify(again))).text);
  assert.ok(readAnswer(second, again));
  assert.is(readAnswer(answer, again), undefined);
  // And somebody who copies the box's question gets what only the code opens.
  assert.is((await post(centre.url, JSON.stringify({ ...again, box: asked.nonce }))).status, 400);
});

/** Stands in between with a certificate; resolves with every byte that it was sent after the handshake. */
async function meddler(files: CertificateFiles) {
  const heard: Buffer[] = [];
  const sockets: Socket[] = [];
  const server: Server = createServer(
    { cert: readFileSync(files.certificate), key: readFileSync(files.key) },
    (socket) => {
      socket.on('data', (part) => heard.push(part)).on('error', () => {});
    },
  );
  server.on('connection', (socket) => sockets.push(socket)).on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    url: new URL(`https://127.0.0.1:${port}`),
    heard,
    stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

test('somebody in between with another certificate hears nothing, not even the first half of the code', async () => {
  const code = await centre.code();
  const pin = 'ab'.repeat(32);
  for (const [files, trust, text] of [
    [certificates.stranger, { ca: readFileSync(certificates.ca) }, /not signed by a trusted authority/],
    [certificates.server, {}, /not signed by a trusted authority/],
    [certificates.wrongHost, { ca: readFileSync(certificates.ca) }, /another host/],
    [certificates.expired, { ca: readFileSync(certificates.ca) }, /expired/],
    [certificates.server, { fingerprint: pin }, /not the expected one.*stands in between/],
  ] as const) {
    const between = await meddler(files);
    await fails(enrol(between, code, { trust }), 'enrolment-untrusted', text);
    assert.is(Buffer.concat(between.heard).length, 0);
    between.stop();
  }
  // The code is as good as before.
  await enrol(centre, code);
});

test('an answer of somebody who does not have what was kept for the code is not taken', async () => {
  // Another centre, with a right certificate, that knows another code under the same first half.
  const code = await centre.code();
  const other = parseCode(await issueCode(centre.central.store, { settings, validForMs: 60_000, nowMs: Date.now() }))!;
  await fails(
    enrol(centre, { lookup: code.lookup, secret: other.secret }),
    'enrolment-untrusted',
    /not made with this/,
  );
  // And one whose key is not the one that the code was made with.
  const pinned = await centre.code({
    centreKey:
      '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n',
  });
  await fails(enrol(centre, pinned), 'enrolment-untrusted', /not made with this/);
});

test('plain HTTP is taken from this computer only', async () => {
  const plain = await startCentre('none', '0.0.0.0');
  const address = Object.values(networkInterfaces())
    .flat()
    .find((one) => one !== undefined && !one.internal && one.family === 'IPv4')?.address;
  await enrol(plain, await plain.code());
  if (address !== undefined) {
    const url = new URL(`http://${address}:${plain.url.port}`);
    assert.equal(
      { ...(await post(url, question(drawCode().lookup))), retryAfter: undefined },
      { status: 403, text: '{"error":"https-required"}', retryAfter: undefined },
    );
  }
  await plain.central.stop();
});

test('a box may ask again for ten minutes, and a code is good as long as it says', async () => {
  const clock = new ManualClock();
  const store = new SqliteDocumentStore({ folder: temporaryFolder('hf-').path });
  await store.start();
  const { signingKey } = centre.central;
  const desk = new EnrolmentDesk({ store, clock, logger: silentLogger, signingKey });
  const issue = async () => parseCode(await issueCode(store, { settings, validForMs: 60_000, nowMs: clock.wallMs() }))!;
  const box = newBoxKey();
  const ask = (lookup: string, key = box) => desk.redeem(signRequest({ lookup, gateway: 'gw-1', fixed: false }, key));

  const first = await issue();
  assert.is((await ask(first.lookup)).kind, 'answer');
  clock.advance(askAgainMs - 1000);
  assert.is((await ask(first.lookup)).kind, 'answer');
  assert.is((await ask(first.lookup, newBoxKey())).kind, 'refused');
  clock.advance(2000);
  assert.is((await ask(first.lookup)).kind, 'refused');

  const second = await issue();
  clock.advance(59_000);
  await desk.sweep();
  assert.is((await ask(second.lookup)).kind, 'answer');
  const third = await issue();
  clock.advance(61_000);
  assert.is((await ask(third.lookup)).kind, 'refused');
  await store.stop();
});

test.run();
