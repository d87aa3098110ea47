/** An authorizer over the real lease book on a disk in memory, with a clock, a link and a centre that the test moves. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { Alarms } from '../../src/alarms.ts';
import { Authorizer, type AuthorizerOptions } from '../../src/authorization/authorizer.ts';
import { BoxKey } from '../../src/authorization/box-key.ts';
import { ControlRouter } from '../../src/authorization/control.ts';
import { LeaseBook } from '../../src/authorization/lease-book.ts';
import { entryKey, sealEntry } from '../../src/authorization/lease-entry.ts';
import { LeaseTime } from '../../src/authorization/lease-time.ts';
import { AuthorizationRecords } from '../../src/authorization/records.ts';
import { Sealer } from '../../src/authorization/seal.ts';
import type { AuditFields, Lease } from '../../src/authorization/types.ts';
import { Verdicts } from '../../src/authorization/verdicts.ts';
import { HoldfastError } from '../../src/errors.ts';
import { createCounters } from '../../src/metrics.ts';
import { SiteTime, silentLogger } from '../../src/platform/index.ts';
import { Journal } from '../../src/platform/journal.ts';
import {
  encodePush,
  type Grant,
  grantFields,
  type Identity,
  messageFields,
  ReplyWriter,
  readReply,
  signGrant,
} from '../../src/protocols/machines/index.ts';
import { type OutgoingQuery, shareLink } from '../../src/uplink/index.ts';
import { FaultFileSystem } from '../support/fault-file-system.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { Random } from '../support/random.ts';
import { ScriptedTransport } from '../support/scripted-transport.ts';

export const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;
export const centreKeys = generateKeyPairSync('ed25519');
export const otherKeys = generateKeyPairSync('ed25519');
export const gatewayId = 'gw';

/** The machine of these tests. */
export const identity: Identity = {
  serial: 'sn000001',
  model: 'P440',
  name: '重庆1号机',
  address: '中国重庆市沙坪坝25号',
  customer: '重庆达优',
};

/** A query about this identity, as a machine sends it. */
export function queryOf(who: Identity = identity): Buffer {
  const { asked, ...fields } = messageFields.authorization;
  const body = Object.entries(fields).map(([field, { key }]) => [key, who[field as keyof Identity]]);
  return Buffer.from(JSON.stringify({ ...Object.fromEntries(body), [asked.key]: '1' }));
}

/** An answer that somebody was given, and when: ms since the bench was made. */
export interface Heard {
  readonly atMs: number;
  readonly granted: boolean;
  readonly error: string;
}

export type AuthorizationBench = Awaited<ReturnType<typeof authorizationBench>>;

/** `pinned` false: the centre does not sign, and says not what it answers. */
export async function authorizationBench({
  pinned = true,
  fileSystem = new FaultFileSystem(new Random(1)),
  options = {},
}: {
  pinned?: boolean;
  fileSystem?: FaultFileSystem;
  options?: Partial<AuthorizerOptions>;
} = {}) {
  const clock = new ManualClock();
  const startMs = clock.wallMs();
  /** The time that it is, whatever the box's clock says. */
  const trueMs = () => startMs + clock.monotonicMs();
  const siteTime = new SiteTime('Asia/Shanghai');
  const alarms = new Alarms({ clock, logger: silentLogger });
  const counters = createCounters();
  const centreKey: KeyObject | undefined = pinned ? centreKeys.publicKey : undefined;
  fileSystem.makeFolder('/data');
  await fileSystem.syncFolder('/');
  const journal = new Journal({ fileSystem, folder: '/data/authorization', name: 'leases', maxKeys: 100 });
  await journal.open();
  const boxKey = new BoxKey({ fileSystem, dataFolder: '/data' });
  await boxKey.open();
  const sealer = new Sealer(boxKey, { source: 'configured', value: 'this-box' });
  const leaseClock = new LeaseTime({
    clock,
    synchronization: () => 'unknown',
    journal,
    sealer: () => sealer,
    alarms,
    logger: silentLogger,
    isNeeded: () => false,
  });
  leaseClock.start(undefined);
  leaseClock.noteCentreTime(startMs);
  const leases = new LeaseBook({
    journal,
    clock: leaseClock,
    siteTime,
    sealer: () => sealer,
    gatewayId,
    centreKey: () => centreKey,
    graceMs: 72 * hourMs,
    maxEntries: 50,
  });

  const audit: { readonly event: string; readonly fields: AuditFields; isOnDisk: boolean }[] = [];
  const forwarded: Record<string, unknown>[] = [];
  const world = {
    auditFails: false,
    auditWaitsFor: Promise.resolve(),
    spoolFails: false,
    spoolWaitsFor: Promise.resolve(),
    baseIsWaiting: false,
  };
  const records = new AuthorizationRecords({
    audit: {
      async append(event, fields) {
        if (world.auditFails) throw new HoldfastError('audit-write-failed', 'no room');
        const line = { event, fields, isOnDisk: false };
        audit.push(line);
        await world.auditWaitsFor;
        line.isOnDisk = true;
      },
    },
    spool: {
      nextSequence: 7,
      async append(_lane, { payload }) {
        if (world.spoolFails) throw new HoldfastError('spool-full', 'no room');
        await world.spoolWaitsFor;
        forwarded.push(JSON.parse(Buffer.from(payload).toString()) as Record<string, unknown>);
        return forwarded.length;
      },
    },
    gatewayId,
    clock,
    counters,
    alarms,
    logger: silentLogger,
  });
  const verdicts = new Verdicts({ leases, records, alarms, counters, gatewayId, centreKey: () => centreKey });
  const published: Heard[] = [];
  const heard = (body: Buffer): Heard => {
    const reply = readReply(body)!;
    return { atMs: clock.monotonicMs(), granted: reply.granted, error: reply.error };
  };
  const transport = new ScriptedTransport();
  const authorizer = new Authorizer({
    gatewayId,
    boot: '00000000000000ab',
    link: transport,
    base: {
      isWaiting: async () => world.baseIsWaiting,
      bringForward: async (_serial, deadlineMs) => {
        const ends = clock.monotonicMs() + deadlineMs;
        while (world.baseIsWaiting && clock.monotonicMs() < ends) await clock.sleep(50);
      },
    },
    verdicts,
    control: new ControlRouter({ leases, records, alarms, counters, logger: silentLogger }),
    leaseClock,
    records,
    replies: new ReplyWriter(),
    siteTime,
    clock,
    counters,
    logger: silentLogger,
    publish: (_topic, body) => published.push(heard(body)),
    ...options,
  });
  shareLink(transport, authorizer, 'device_auth').start({
    onConnected() {},
    onDisconnected() {},
    onConfirmed() {},
    onRejected() {},
    onReceipt() {},
    onDrain() {},
  });

  /** Terms of the centre: from now on for 30 days, unless said otherwise. */
  const terms = (over: Partial<Omit<Grant, 'signature'>> = {}, keys = centreKeys): Grant =>
    signGrant(
      {
        identity,
        until: siteTime.format(trueMs() + 30 * dayMs),
        grantedAt: siteTime.format(trueMs()),
        version: 1,
        ...over,
      },
      gatewayId,
      keys.privateKey,
    );

  const bench = {
    clock,
    trueMs,
    siteTime,
    alarms,
    counters,
    journal,
    fileSystem,
    leases,
    leaseClock,
    audit,
    forwarded,
    world,
    transport,
    authorizer,
    published,
    terms,
    /** Connected, and all pushes are applied. */
    async connect() {
      transport.connect();
      transport.drainControl();
      await settle();
    },
    /** What a machine hears; undefined while it waits, and for an answer that it shares. */
    ask(payload = queryOf(), via: 'mqtt' | 'http' = 'mqtt') {
      const serial = (JSON.parse(payload.toString()) as Record<string, string>)[
        messageFields.authorization.serial.key
      ]!;
      const told: { answer: Heard | undefined; isDone: boolean } = { answer: undefined, isDone: false };
      void authorizer.ask({ serial, payload, transport: via }).then((answer) => {
        told.isDone = true;
        if (answer !== undefined) told.answer = heard(answer.body);
      });
      return told;
    },
    grantOf: (query: OutgoingQuery, over: Partial<Omit<Grant, 'signature'>> = {}, keys = centreKeys): object => ({
      序列号: query.serial,
      错误: '',
      授权: '1',
      报文时间: siteTime.format(trueMs()),
      ...(pinned && grantFields(terms(over, keys))),
    }),
    denialOf: (query: OutgoingQuery, error = '授权不通过0', code?: string): object => ({
      序列号: query.serial,
      错误: error,
      授权: '0',
      报文时间: siteTime.format(trueMs()),
      ...(code !== undefined && { 错误码: code }),
    }),
    /** The centre answers a query; one that does not sign does not correlate either. */
    answer(query: OutgoingQuery, body: object, { stale = false, correlated = pinned } = {}) {
      transport.answer({
        messageId: correlated ? query.messageId : undefined,
        channel: query.channel,
        serial: query.serial,
        body: Buffer.from(JSON.stringify(body)),
        stale,
      });
    },
    push: (grant: Grant) => transport.push(encodePush(grant)),
    /** A lease that was granted so long ago. */
    async putLease({ ageMs = hourMs, who = identity }: { ageMs?: number; who?: Identity } = {}) {
      const at = { grantedAt: siteTime.format(trueMs() - ageMs), until: siteTime.format(trueMs() + 29 * dayMs) };
      const grant = terms({ ...at, identity: who, version: 0 });
      await leases.grant(who, pinned ? { grant } : { until: at.until });
      const lease = leases.get(who.serial) as Lease;
      // A centre that does not sign cannot date a grant: it is dated back here.
      if (!pinned) await bench.putEntry({ ...lease, grantedAtMs: trueMs() - ageMs });
    },
    /** Writes an entry of the lease book, under the seal of this box or, with `sealed`, under that of another entry. */
    async putEntry(lease: Lease, sealed: Lease = lease) {
      const { seal } = sealEntry(sealed, gatewayId, sealer) as { seal: unknown };
      await journal.put(entryKey(lease.identity.serial), { entry: lease, seal });
    },
    events: (event: string) => audit.filter((line) => line.event === event),
  };
  return bench;
}
