/** Every row of the decision table through the real authorizer, lease book and lease time. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Lease } from '../../src/authorization/types.ts';
import { MachineIntake } from '../../src/intake/index.ts';
import { createChannels, ReplyWriter, readReply } from '../../src/protocols/machines/index.ts';
import type { Spool } from '../../src/spool/index.ts';
import { settle } from '../support/manual-clock.ts';
import { authorizationBench, dayMs, hourMs, identity, otherKeys, queryOf } from './bench.ts';
import { centres, expectedOf, messages, nameOf, type Row, rows } from './decision-table.ts';
import { condensedTable } from './table-document.ts';

const test = suite('decision table');
const yearMs = 365 * dayMs;
const longestMs = 43_000;

type Bench = Awaited<ReturnType<typeof authorizationBench>>;

async function prepareLease(bench: Bench, { lease, centre }: Row): Promise<void> {
  if (lease === 'none') return;
  if (lease === 'revoked') return bench.leases.deny(identity.serial, { version: 0, text: 'not-authorized' });
  const who = lease === 'other identity' ? { ...identity, address: '重庆市北碚区1号' } : identity;
  await bench.putLease({ who, ageMs: lease === 'expired' ? 73 * hourMs : hourMs });
  if (lease !== 'bad signature') return;
  const good = bench.leases.get(identity.serial) as Lease;
  if (centre === 'legacy') await bench.putEntry({ ...good, grantedAtMs: good.grantedAtMs + 1 }, good);
  else await bench.putEntry({ ...good, signature: bench.terms({}, otherKeys).signature });
}

/** A centre that knows the machine, grants it unless it is revoked, and has not got base information that waits. */
function answerAs(bench: Bench, { centre, lease, baseWaits }: Row): void {
  if (centre === 'down') return;
  const delayMs = centre === 'legacy' ? 50 : centres[centre];
  const correlated = centre !== 'legacy';
  bench.transport.onAsk = (query) => {
    const body = () =>
      baseWaits
        ? bench.denialOf(query, '设备信息不一致，授权不通过')
        : lease === 'revoked'
          ? bench.denialOf(query)
          : bench.grantOf(query);
    bench.clock.after(delayMs, () => bench.answer(query, body(), { correlated }));
  };
}

function intakeOf(bench: Bench): MachineIntake {
  const spool = { keepRefused: async () => {}, count() {} } as unknown as Spool;
  const { clock, siteTime, counters, authorizer } = bench;
  const channels = createChannels();
  return new MachineIntake({
    channels,
    spool,
    clock,
    siteTime,
    counters,
    replies: new ReplyWriter(),
    authority: authorizer,
  });
}

function messageOf({ message }: Row): Buffer {
  const body = JSON.parse(queryOf().toString()) as Record<string, string>;
  delete body[message];
  return Buffer.from(JSON.stringify(body));
}

async function run(row: Row): Promise<void> {
  const bench = await authorizationBench({ pinned: row.centre !== 'legacy' });
  await prepareLease(bench, row);
  if (row.centre !== 'down') await bench.connect();
  bench.world.baseIsWaiting = row.baseWaits;
  answerAs(bench, row);
  if (row.clock !== 'right')
    bench.clock.setWall(bench.clock.wallMs() + (row.clock === 'back a year' ? -yearMs : yearMs));
  const before = JSON.stringify(bench.leases.get(identity.serial));

  const expected = expectedOf(row);
  const delivery = {
    channel: 'device_auth',
    payload: messageOf(row),
    transport: 'mqtt',
    mayWrite: () => true,
  } as const;
  const answer = await intakeOf(bench).accept(delivery);
  let body: Buffer | undefined = answer.reply?.body;
  let atMs = bench.clock.monotonicMs();
  void answer.later?.then((reply) => {
    body = reply?.body;
    atMs = bench.clock.monotonicMs();
  });
  await settle(12);
  for (const stepMs of [expected.afterMs - 1, 1, longestMs - expected.afterMs]) {
    if (stepMs <= 0) continue;
    assert.is(body === undefined, bench.clock.monotonicMs() < expected.afterMs, `${nameOf(row)}: no answer so early`);
    await bench.clock.advanceGently(stepMs);
    await settle(12);
  }
  const reply = body && readReply(body);
  const after = bench.leases.get(identity.serial);
  assert.equal(
    {
      granted: reply?.granted,
      error: reply?.error,
      source: bench.events('answer')[0]?.fields.source ?? 'not asked',
      afterMs: atMs,
      leaseAfter: JSON.stringify(after) === before ? 'as before' : after?.kind === 'lease' ? 'made' : 'denied',
      late: bench.published.length === 0 ? undefined : bench.published[0]!.granted ? 'granted' : 'denied',
    },
    // A denial that is known already is not written again.
    { ...expected, leaseAfter: expected.leaseAfter === 'denied' ? 'as before' : expected.leaseAfter },
    nameOf(row),
  );
  if (expected.leaseAfter === 'denied') assert.is(after?.kind, 'denial', nameOf(row));
  assert.ok(bench.audit.every(({ isOnDisk }) => isOnDisk));
  assert.is(bench.authorizer.state.open, 0);
}

for (const centre of [...new Set(rows.map((row) => row.centre))]) {
  test(`centre ${centre}`, async () => {
    const some = rows.filter((row) => row.centre === centre);
    assert.is(some.length, 6 * 3 * messages.length * 2);
    for (const row of some) await run(row);
  });
}

test('the document holds the table', () => {
  const text = readFileSync(join(import.meta.dirname, '../../docs/authorization.md'), 'utf8');
  assert.ok(text.includes(condensedTable()), `docs/authorization.md must hold:\n${condensedTable()}`);
});

test.run();
