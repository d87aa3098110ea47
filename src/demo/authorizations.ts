/**
 * What the demo does at its centre as its administrator: an account for queries, and the authorizations of its printers.
 *
 * Failure behaviour: a printer is authorized as soon as the centre knows it, which is looked for until then; what the
 * database refuses meanwhile is tried again.
 */
import type { Central } from '../central.ts';
import { HoldfastError } from '../errors.ts';
import type { Clock, Timer } from '../platform/index.ts';

const days = 30;
const by = 'demo';
/** Often, until each printer is known: a second or two. */
const lookEveryMs = 50;
const indexDeadlineMs = 20_000;

export class DemoAuthorizations {
  readonly #central: Central;
  readonly #clock: Clock;
  /** Printers that are not authorized yet. */
  readonly #waiting: Set<string>;
  readonly #first: string;
  #isTaken = false;
  #timer: Timer | undefined;
  #work: Promise<void> | undefined;

  constructor({ central, serials, clock }: { central: Central; serials: readonly string[]; clock: Clock }) {
    this.#central = central;
    this.#clock = clock;
    this.#waiting = new Set(serials);
    this.#first = serials[0]!;
  }

  /** Waits for the database and makes an account that sees everything, or gives it this password as clients send it. */
  async makeAdministrator(name: string, password: string): Promise<void> {
    const { accounts } = this.#central;
    const deadlineMs = this.#clock.monotonicMs() + indexDeadlineMs;
    while (this.#central.health.indexes !== true) {
      if (this.#clock.monotonicMs() > deadlineMs) {
        throw new HoldfastError('database-unreachable', "the demo's documents cannot be opened; its log says more");
      }
      await this.#clock.sleep(20);
    }
    if ((await accounts.find(name)) !== undefined) await accounts.setPassword(name, password);
    else await accounts.add({ name, password, customers: ['*'], role: 'authorizer' });
  }

  /** Authorizes the printers as they become known. */
  start(): void {
    this.#timer ??= this.#clock.every(lookEveryMs, () => {
      this.#work ??= this.#look()
        .catch(() => {})
        .finally(() => {
          this.#work = undefined;
        });
    });
  }

  /** Ends that; resolves when nothing is under way. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#work;
  }

  /** Takes the authorization of the first printer away, or gives it back; resolves with what was done. */
  async switch(): Promise<string> {
    const serial = this.#first;
    const isTaken = !this.#isTaken;
    const changed = await this.#central.authorizations.set(serial, isTaken ? -1 : days, by);
    if (changed === undefined) return `${serial} is not known to the centre yet`;
    this.#waiting.delete(serial);
    this.#isTaken = isTaken;
    if (isTaken) return `authorization of ${serial} taken away: it ends its job and begins no other`;
    return `authorization of ${serial} given back, until ${changed.until}`;
  }

  async #look(): Promise<void> {
    for (const serial of [...this.#waiting]) {
      if ((await this.#central.authorizations.set(serial, days, by)) !== undefined) this.#waiting.delete(serial);
    }
    if (this.#waiting.size === 0) this.#timer?.cancel();
  }
}
