/**
 * Certificates, keys and authorities in files, watched: what is renewed is used without a restart.
 *
 * The files are read every few seconds and when `check` is called (SIGHUP): a watcher of the operating system misses
 * files that are renamed into place and folders that are mounted over.
 *
 * Invariants: what is in use was usable as a whole; a renewal is taken whole or not at all. One that is out of date is
 * not taken in the place of one that is not.
 * Failure behaviour: what cannot be used raises `certificate-invalid` at the second look, since the first may have met
 * a renewal between its two files, and what was in use stays. `certificate-expiring` stands from 21 days before the end.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describeError, HoldfastError } from '../errors.ts';
import {
  type CertificateMaterial,
  type CertificatePart,
  certificateParts,
  type Judgement,
  judge,
  sameMaterial,
  type Validity,
} from './certificate-material.ts';
import type { Clock, Timer } from './clock.ts';
import type { Logger } from './logger.ts';

/** Paths of PEM files. */
export interface CertificatePaths {
  readonly ca?: string | undefined;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
}

/** Where alarms go. */
export interface CertificateAlarms {
  raise(
    code: 'certificate-invalid' | 'certificate-expiring',
    details: Readonly<Record<string, unknown>>,
    subject: string,
  ): void;
  clear(code: 'certificate-invalid' | 'certificate-expiring', subject: string): void;
}

/** The files of one use. */
export interface WatchedCertificate {
  /** What is in use; undefined while there has never been anything usable. */
  readonly current: CertificateMaterial | undefined;
  /** Why what stands in the files is not in use; undefined when it is. */
  readonly problem: string | undefined;
}

export interface CertificatesOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly alarms: CertificateAlarms;
  /** How often the files are read, ms. */
  readonly everyMs?: number;
}

const dayMs = 86_400_000;
/** So long before the end the alarm begins, ms. */
export const expiryWarningMs = 21 * dayMs;
const defaultEveryMs = 5000;
const looksBeforeAlarm = 2;

interface Watched {
  readonly section: string;
  readonly read: () => Promise<CertificateMaterial>;
  readonly apply: (material: CertificateMaterial) => void;
  current: CertificateMaterial | undefined;
  validity: Judgement['validity'];
  problem: string | undefined;
  badLooks: number;
}

/** All certificates of a process. */
export class Certificates {
  readonly #options: CertificatesOptions;
  readonly #watched = new Map<string, Watched>();
  #timer: Timer | undefined;
  #looking: Promise<void> = Promise.resolve();

  constructor(options: CertificatesOptions) {
    this.#options = options;
  }

  /**
   * Reads files now and looks after them from `start` on. `section` is the key of the configuration that names them;
   * `apply` is told of each renewal, and refuses it by throwing.
   */
  watch(
    section: string,
    paths: CertificatePaths,
    apply: (material: CertificateMaterial) => void = () => {},
  ): WatchedCertificate {
    const watched = this.#add(section, () => readMaterial(paths), apply);
    try {
      this.#first(watched, readMaterialNow(paths));
    } catch (error) {
      watched.problem = describeError(error);
    }
    return watched;
  }

  /** Looks after the end of something that stands in no file of its own. */
  watchEnd(section: string, material: CertificateMaterial): WatchedCertificate {
    const watched = this.#add(
      section,
      async () => material,
      () => {},
    );
    this.#first(watched, material);
    return watched;
  }

  /**
   * The same for a server, which cannot do without.
   *
   * @throws HoldfastError `configuration-invalid` when the files cannot be used.
   */
  watchServer(
    section: string,
    paths: CertificatePaths,
    apply: (material: CertificateMaterial) => void,
  ): CertificateMaterial & Required<Pick<CertificateMaterial, 'certificate' | 'key'>> {
    const { current, problem } = this.watch(section, paths, apply);
    if (current === undefined) throw new HoldfastError('configuration-invalid', problem ?? `${section} is missing`);
    return current as ReturnType<typeof this.watchServer>;
  }

  /** Begins to look every few seconds; alarms are raised from now on. Idempotent. */
  start(): void {
    if (this.#timer !== undefined) return;
    this.#timer = this.#options.clock.every(this.#options.everyMs ?? defaultEveryMs, () => void this.check());
    for (const watched of this.#watched.values()) this.#remark(watched);
  }

  /** Stops looking; a look under way ends first. Idempotent. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#looking;
  }

  /** Looks at all files now. */
  check(): Promise<void> {
    this.#looking = this.#looking.then(async () => {
      for (const watched of this.#watched.values()) await this.#look(watched);
    });
    return this.#looking;
  }

  /** Seconds until the end of each certificate in use, below 0 after it; by key of the configuration. */
  get secondsLeft(): ReadonlyMap<string, number> {
    const nowMs = this.#options.clock.wallMs();
    const left = new Map<string, number>();
    for (const { section, part, untilMs } of this.#ends()) left.set(`${section}.${part}`, (untilMs - nowMs) / 1000);
    return left;
  }

  #add(section: string, read: Watched['read'], apply: Watched['apply']): Watched {
    const watched: Watched = {
      section,
      read,
      apply,
      current: undefined,
      validity: {},
      problem: undefined,
      badLooks: 0,
    };
    this.#watched.set(section, watched);
    return watched;
  }

  /** At the start even something that is out of date is used: the alarm says so, and the clock may be wrong. */
  #first(watched: Watched, material: CertificateMaterial): void {
    const { problem, validity } = judge(material, watched.section);
    watched.problem = problem;
    if (problem !== undefined) return;
    watched.current = material;
    watched.validity = validity;
  }

  async #look(watched: Watched): Promise<void> {
    let problem: string | undefined;
    try {
      const material = await watched.read();
      if (watched.current === undefined || !sameMaterial(material, watched.current)) {
        problem = this.#take(watched, material);
      }
    } catch (error) {
      problem = `${watched.section}: ${describeError(error)}`;
    }
    watched.badLooks = problem === undefined ? 0 : watched.badLooks + 1;
    if (problem !== undefined && problem !== watched.problem) {
      this.#options.logger.warn({ section: watched.section, problem }, 'a renewed certificate cannot be used');
    }
    watched.problem = problem;
    if (this.#timer !== undefined) this.#remark(watched);
  }

  /** Puts material to use; or says why not. */
  #take(watched: Watched, material: CertificateMaterial): string | undefined {
    const { problem, validity } = judge(material, watched.section);
    if (problem !== undefined) return problem;
    const nowMs = this.#options.clock.wallMs();
    for (const part of certificateParts) {
      const state = dateProblem(validity[part], nowMs);
      if (state === undefined || watched.current === undefined) continue;
      // A clock that is wrong makes both look bad; then the newer one is as good as any.
      if (dateProblem(watched.validity[part], nowMs) === undefined) return `${watched.section}.${part}: ${state}`;
    }
    watched.apply(material);
    watched.current = material;
    watched.validity = validity;
    this.#options.logger.info({ section: watched.section }, 'a certificate was renewed');
    return undefined;
  }

  #remark(watched: Watched): void {
    const { alarms, clock } = this.#options;
    const { section, problem, badLooks, current } = watched;
    if (problem === undefined) alarms.clear('certificate-invalid', section);
    else if (badLooks >= looksBeforeAlarm || current === undefined) {
      alarms.raise('certificate-invalid', { problem }, section);
    }
    for (const { part, untilMs } of this.#ends(watched)) {
      const subject = `${section}.${part}`;
      if (untilMs - clock.wallMs() > expiryWarningMs) alarms.clear('certificate-expiring', subject);
      else alarms.raise('certificate-expiring', { until: new Date(untilMs).toISOString() }, subject);
    }
  }

  #ends(...only: Watched[]): { section: string; part: CertificatePart; untilMs: number }[] {
    const all = only.length > 0 ? only : [...this.#watched.values()];
    return all.flatMap(({ section, validity }) =>
      certificateParts.flatMap((part) => {
        const untilMs = validity[part]?.untilMs;
        return untilMs === undefined ? [] : [{ section, part, untilMs }];
      }),
    );
  }
}

function dateProblem(validity: Validity | undefined, nowMs: number): string | undefined {
  if (validity === undefined) return undefined;
  if (validity.untilMs <= nowMs) return `has expired (${new Date(validity.untilMs).toISOString()})`;
  if (validity.fromMs > nowMs) return `is not valid before ${new Date(validity.fromMs).toISOString()}`;
  return undefined;
}

async function readMaterial(paths: CertificatePaths): Promise<CertificateMaterial> {
  const read = (path: string | undefined) => (path === undefined ? undefined : readFile(path));
  const [ca, certificate, key] = await Promise.all([read(paths.ca), read(paths.certificate), read(paths.key)]);
  return { ca, certificate, key };
}

function readMaterialNow(paths: CertificatePaths): CertificateMaterial {
  const read = (path: string | undefined) => (path === undefined ? undefined : readFileSync(path));
  return { ca: read(paths.ca), certificate: read(paths.certificate), key: read(paths.key) };
}
