/** A box's authorization state on a disk in memory, for tests: any step can fail, and the power can be cut. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AuthorizationSettings, AuthorizationState } from '../../src/authorization/index.ts';
import { type ClockSynchronization, type FileSystem, SiteTime, silentLogger } from '../../src/platform/index.ts';
import { type Grant, type Identity, signGrant } from '../../src/protocols/machines/index.ts';
import { FaultFileSystem } from '../support/fault-file-system.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { Random } from '../support/random.ts';
import { temporaryFolder } from '../support/temporary.ts';

export const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;
export const siteTime = new SiteTime('Asia/Shanghai');
export const centre = generateKeyPairSync('ed25519');
export const stranger = generateKeyPairSync('ed25519');

export const identity: Identity = {
  serial: 'sn000001',
  model: 'P440',
  name: '重庆1号机',
  address: '中国重庆市沙坪坝25号',
  customer: '重庆达优',
};
export const machine = (serial: string): Identity => ({ ...identity, serial });

/** What stands where the hardware is read. */
export function hardware(serial: string): string {
  const folder = temporaryFolder();
  mkdirSync(join(folder.path, 'proc/device-tree'), { recursive: true });
  writeFileSync(join(folder.path, 'proc/device-tree/serial-number'), `${serial}\0`);
  return folder.path;
}
export const thisBox = hardware('10000000abcdef01');
export const otherBox = hardware('10000000abcdef02');

/** The alarms that are active, by code. */
export class AlarmBoard {
  readonly active = new Map<string, unknown>();
  readonly #subjects = new Map<string, string>();
  raise(code: string, details: unknown = {}, subject = ''): void {
    this.active.set(code, details);
    this.#subjects.set(code, subject);
  }
  clear(code: string, subject = ''): void {
    if (this.#subjects.get(code) === subject) this.active.delete(code);
  }
}

export interface BoxFacts {
  readonly fileSystem: FileSystem;
  readonly clock: ManualClock;
  /** Where hardware is read. */
  readonly root: string;
  readonly gatewayId: string;
  readonly synchronization: ClockSynchronization;
  /** Pins the centre's key. */
  readonly isPinned: boolean;
  readonly settings: Partial<AuthorizationSettings>;
}

export class TestBox {
  readonly alarms = new AlarmBoard();
  readonly clock: ManualClock;
  readonly state: AuthorizationState;
  synchronization: ClockSynchronization;

  constructor(facts: Pick<BoxFacts, 'fileSystem'> & Partial<BoxFacts>) {
    this.clock = facts.clock ?? new ManualClock(Date.UTC(2026, 10, 21, 12));
    this.synchronization = facts.synchronization ?? 'yes';
    this.state = new AuthorizationState({
      settings: {
        offlineGraceMs: 72 * hourMs,
        centreKey: undefined,
        hardwareIdentity: undefined,
        maxLeases: 100,
        audit: { fileBytes: 64 * 1024, files: 3 },
        ...facts.settings,
      },
      dataFolder: '/data',
      gatewayId: facts.gatewayId ?? 'gw-1',
      fileSystem: facts.fileSystem,
      clock: this.clock,
      siteTime,
      synchronization: () => this.synchronization,
      alarms: this.alarms,
      logger: silentLogger,
      boot: 'b00t',
      root: facts.root ?? thisBox,
    });
  }

  /** A grant as the centre signs it now. */
  sign(terms: Partial<Omit<Grant, 'signature'>> = {}, gatewayId = 'gw-1', key = centre.privateKey): Grant {
    const now = this.clock.wallMs();
    const whole = {
      identity,
      until: siteTime.format(now + 30 * dayMs),
      grantedAt: siteTime.format(now),
      version: 1,
      ...terms,
    };
    return signGrant(whole, gatewayId, key);
  }

  /** `valid`, or why not. */
  look(who: Identity = identity): string {
    const check = this.state.leases.check(who);
    return check.valid ? 'valid' : check.reason;
  }
}

/** A new disk with an empty data folder; with the centre's key pinned when asked for. */
export async function newDisk({ isPinned = false, seed = 7 } = {}): Promise<FaultFileSystem> {
  const fileSystem = new FaultFileSystem(new Random(seed));
  fileSystem.makeFolder('/data/secrets');
  await fileSystem.syncFolder('/');
  await fileSystem.syncFolder('/data');
  if (isPinned) {
    const file = fileSystem.create('/data/secrets/centre.pub');
    file.write(Buffer.from(centre.publicKey.export({ format: 'pem', type: 'spki' }) as string), 0);
    await file.sync();
    file.close();
    await fileSystem.syncFolder('/data/secrets');
  }
  return fileSystem;
}

export async function openBox(facts: Partial<BoxFacts> = {}): Promise<TestBox> {
  const fileSystem = facts.fileSystem ?? (await newDisk({ isPinned: facts.isPinned ?? false }));
  const box = new TestBox({ ...facts, fileSystem });
  await box.state.open();
  return box;
}

/** The text of a file. */
export function readText(fileSystem: FileSystem, path: string): string {
  const file = fileSystem.open(path, 'read');
  try {
    const data = Buffer.alloc(file.size());
    file.read(data, 0);
    return data.toString('utf8');
  } finally {
    file.close();
  }
}

/** Replaces a file by a text. */
export function writeText(fileSystem: FileSystem, path: string, text: string): void {
  if (fileSystem.exists(path)) fileSystem.remove(path);
  const file = fileSystem.create(path);
  file.write(Buffer.from(text), 0);
  file.close();
}
