/**
 * What authorization keeps on the box, opened in order: the journal (`store/authorization`), the box's secret, the
 * hardware it is bound to, the centre's key, lease time, leases, the audit log (`logs/audit.log`).
 *
 * Invariants: whoever opens it has the data folder to himself, unless it is opened for reading only, which writes nothing.
 * Failure behaviour: a full disk, damage and forged files do not fail `open`; they are alarms, and cost leases.
 */
import type { KeyObject } from 'node:crypto';
import { join } from 'node:path';
import type { Alarms } from '../alarms.ts';
import { describeError } from '../errors.ts';
import { type Clock, type ClockSynchronization, type FileSystem, Journal, type Logger } from '../platform/index.ts';
import type { SiteTime } from '../platform/site-time.ts';
import { readHead } from './audit-head.ts';
import { AuditLog } from './audit-log.ts';
import type { AuditSource } from './audit-verify.ts';
import { BoxKey } from './box-key.ts';
import { readCentreKey } from './centre-key.ts';
import { type HardwareIdentity, type HardwareSource, hardwareIdentities } from './hardware-identity.ts';
import { LeaseBook, type Rebinding } from './lease-book.ts';
import { LeaseTime } from './lease-time.ts';
import { fingerprint, Sealer } from './seal.ts';

/** The keys of `authorization` in the configuration that are meant here. */
export interface AuthorizationSettings {
  readonly offlineGraceMs: number;
  readonly centreKey: string | undefined;
  readonly hardwareIdentity: string | undefined;
  readonly maxLeases: number;
  readonly audit: { readonly fileBytes: number; readonly files: number };
}

export interface AuthorizationStateOptions {
  readonly settings: AuthorizationSettings;
  readonly dataFolder: string;
  readonly gatewayId: string;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly siteTime: SiteTime;
  readonly synchronization: () => ClockSynchronization;
  readonly alarms: Pick<Alarms, 'raise' | 'clear'>;
  readonly logger: Logger;
  /** Unlike that of any other start. */
  readonly boot: string;
  /** Where `proc`, `sys` and `etc` are; "/" but in tests. */
  readonly root?: string;
}

const rebindNext = "after an exchange of hardware: 'holdfast lease rebind'";
/** Key of the hardware's fingerprint in the journal. */
const hardwareKey = 'hardware';
const nobody: HardwareIdentity = { source: 'none', value: '' };

export class AuthorizationState {
  readonly #options: AuthorizationStateOptions;
  readonly #journal: Journal;
  readonly #boxKey: BoxKey;
  readonly #leases: LeaseBook;
  readonly #time: LeaseTime;
  #audit: AuditLog | undefined;
  #sealer: Sealer | undefined;
  #auditSealer: Sealer | undefined;
  #centreKey: KeyObject | undefined;
  #hardware = nobody;

  constructor(options: AuthorizationStateOptions) {
    this.#options = options;
    const { settings, dataFolder, fileSystem, clock, siteTime, gatewayId } = options;
    const { maxLeases, offlineGraceMs } = settings;
    this.#journal = new Journal({
      fileSystem,
      folder: join(dataFolder, 'store'),
      name: 'authorization',
      maxKeys: maxLeases + 64,
    });
    this.#boxKey = new BoxKey({ fileSystem, dataFolder });
    const sealer = () => this.#sealer!;
    const { synchronization, alarms, logger } = options;
    this.#time = new LeaseTime({
      clock,
      synchronization,
      journal: this.#journal,
      sealer,
      alarms,
      logger,
      isNeeded: () => !this.#leases.isEmpty,
    });
    this.#leases = new LeaseBook({
      journal: this.#journal,
      clock: this.#time,
      siteTime,
      sealer,
      gatewayId,
      centreKey: () => this.#centreKey,
      graceMs: offlineGraceMs,
      maxEntries: maxLeases,
    });
  }

  get leases(): LeaseBook {
    return this.#leases;
  }

  get time(): LeaseTime {
    return this.#time;
  }

  /** Once open, and not for reading only. */
  get audit(): AuditLog {
    return this.#audit!;
  }

  get centreKey(): KeyObject | undefined {
    return this.#centreKey;
  }

  /** What this box is told from others by; `machine-id` is weak: it is copied with the system. */
  get hardwareSource(): HardwareSource {
    return this.#hardware.source;
  }

  /**
   * Opens everything.
   *
   * @throws HoldfastError `configuration-invalid` for a bad key file, `journal-version`; what the file system throws when
   *   a file cannot be read.
   */
  async open({ readOnly = false } = {}): Promise<void> {
    const { settings, dataFolder, fileSystem, alarms, logger } = this.#options;
    this.#centreKey = readCentreKey({ configured: settings.centreKey, dataFolder, fileSystem });
    const { damaged, damagedPaths, unsure, tornBytes, error } = await this.#journal.open({ readOnly });
    const doubted = this.#leases.doubt(unsure);
    if (damaged > 0) {
      alarms.raise('journal-corrupt', { places: damaged, kept: damagedPaths, leases: doubted }, 'authorization');
    }
    if (tornBytes > 0) logger.info({ bytes: tornBytes }, 'a write of leases that was cut short is dropped');
    // Cleared by whichever write is the first that the disk takes: of a lease, or of lease time.
    if (error !== undefined) alarms.raise('journal-write-failed', { text: describeError(error) }, 'leases');
    await this.#boxKey.open({ readOnly });
    const isSame = this.#bind();
    this.#auditSealer = new Sealer(this.#boxKey, undefined);
    const { newestMs, badSeals } = this.#leases.survey();
    if (badSeals > 0) {
      const cause = isSame ? 'edited, or of another gateway id' : 'the hardware or the key has changed';
      alarms.raise('lease-seal-invalid', { entries: badSeals, cause, next: rebindNext });
    }
    this.#time.start(newestMs);
    if (readOnly) return;
    await this.#leases.settleDoubts().catch((cause: unknown) => {
      alarms.raise('journal-write-failed', { text: describeError(cause) }, 'leases');
    });
    if (badSeals === 0 && !isSame) await this.#keepFingerprint().catch(() => {});
    await this.#openAudit();
    if (doubted > 0) await this.audit.append('damage', { places: damaged, leases: doubted }).catch(() => {});
  }

  /** Seals leases and time for the hardware and the key of now; see `LeaseBook.rebind`. */
  async rebind(options: { readonly forceLegacy: boolean }): Promise<Rebinding> {
    const result = await this.#leases.rebind(options);
    await this.#time.reseal();
    await this.#keepFingerprint();
    if (result.left.length === 0) this.#options.alarms.clear('lease-seal-invalid');
    return result;
  }

  /** What to read the audit log by; for a running one up to where it is on the device. */
  get auditSource(): AuditSource {
    const { fileSystem, dataFolder } = this.#options;
    const sealer = this.#auditSealer!;
    const kept = readHead(this.#journal, sealer);
    return {
      fileSystem,
      folder: join(dataFolder, 'logs'),
      sealer,
      head: this.#audit === undefined ? kept.head : this.#audit.head,
      isHeadForged: kept.isForged,
      currentEnd: this.#audit?.end,
    };
  }

  /** Closes everything; what was answered is on disk. */
  async close(): Promise<void> {
    await this.#time.stop({ save: this.#audit !== undefined });
    await this.#audit?.close();
    this.#audit = undefined;
    await this.#journal.close();
  }

  /** Derives the key from the hardware; false when it is not that of before. */
  #bind(): boolean {
    const { settings, root, alarms, logger } = this.#options;
    const found = hardwareIdentities(settings.hardwareIdentity, root);
    const kept = this.#journal.get(hardwareKey);
    // A stronger one that could not be read before does not make it another box.
    const same = found.find((identity) => fingerprint(this.#boxKey, identity) === kept);
    this.#hardware = same ?? found[0] ?? nobody;
    if (!this.#hasHardware) {
      alarms.raise('hardware-identity-missing', { next: 'set authorization.hardwareIdentity' });
    }
    if (this.#hardware.source === 'machine-id') {
      logger.info({}, 'leases are bound to the machine-id, which is copied with the system');
    }
    this.#sealer = new Sealer(this.#boxKey, this.#hardware);
    return same !== undefined;
  }

  get #hasHardware(): boolean {
    return this.#hardware.source !== 'none' && this.#hardware.source !== 'boot';
  }

  async #keepFingerprint(): Promise<void> {
    // After the next start of the system it would be taken for other hardware.
    if (!this.#hasHardware) return;
    await this.#boxKey.save();
    await this.#journal.put(hardwareKey, fingerprint(this.#boxKey, this.#hardware));
  }

  async #openAudit(): Promise<void> {
    const { settings, dataFolder, fileSystem, clock, boot, alarms, logger } = this.#options;
    const { fileBytes, files } = settings.audit;
    this.#audit = new AuditLog({
      fileSystem,
      folder: join(dataFolder, 'logs'),
      clock,
      boot,
      journal: this.#journal,
      sealer: this.#auditSealer!,
      maxFileBytes: fileBytes,
      maxFiles: files,
      logger,
      onBroken: (why) => alarms.raise('audit-broken', { why, next: "'holdfast audit verify'" }),
    });
    await this.#audit.open();
  }
}
