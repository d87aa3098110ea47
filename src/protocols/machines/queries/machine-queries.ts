/**
 * The queries of `/deviceInfo`, over whatever keeps the documents: at the centre all of them, on the box the newest.
 *
 * Invariants: an account gets what belongs to its customers and nothing else; whether a machine is another's or not there
 * at all cannot be told from an answer. Every call of the store has a shape of `queryShapes`.
 * Failure behaviour: rejects as the store does.
 */
import { type Account, visibleTo } from '../../../accounts/index.ts';
import type { DocumentStore, Filter, StoredDocument } from '../../../store/index.ts';
import { answerKeys, levels } from '../wire.ts';
import { type Fields, flat } from './flat.ts';
import { type PageReader, readPage } from './page.ts';
import {
  acceptedLast,
  bySerial,
  errorCollection,
  machineCollection,
  newestFirst,
  processCollection,
  storedKeys,
} from './shapes.ts';

/** Which page: newest first, `skip` documents passed over. */
export interface Page {
  readonly skip: number;
  readonly limit: number;
}

/** What says that nobody waits any more. */
export type IsGone = () => boolean;

/** A list names at most so many machines. */
const maxDevices = 10_000;
const deviceSlice = 50;
const words = new Set<unknown>(Object.values(levels));

/** What queries need of a store. */
export type QueriedStore = Pick<DocumentStore, 'find' | 'distinct'>;

export class MachineQueries {
  readonly #store: QueriedStore;

  constructor(store: QueriedStore) {
    this.#store = store;
  }

  /** The customers that the account may see and that have a machine. */
  async customers(account: Account): Promise<string[]> {
    const visible = visibleTo(account);
    const filter: Filter = visible === 'all' ? {} : { [storedKeys.customer]: { oneOf: visible } };
    return this.#store.distinct(machineCollection, storedKeys.customer, filter);
  }

  /** The machines of a customer by 序列号, at most 10,000. */
  async devices(account: Account, customer: string, isGone: IsGone): Promise<Fields[]> {
    const devices: Fields[] = [];
    if (!maySee(account, customer)) return devices;
    let last: string | undefined;
    while (!isGone()) {
      const after: Filter = last === undefined ? {} : { [storedKeys.serial]: { atLeast: last } };
      const filter = { [storedKeys.customer]: customer, ...after };
      const found = await this.#store.find(machineCollection, { filter, sort: bySerial, limit: deviceSlice });
      for (const document of found) {
        if (document._id === last) continue;
        devices.push({ [answerKeys.serial]: document._id, [answerKeys.name]: document[storedKeys.name] });
        if (devices.length === maxDevices) return devices;
      }
      if (found.length < deviceSlice) break;
      last = found.at(-1)!._id;
    }
    return devices;
  }

  /** The newest base information of a machine, flat. */
  async baseOf(account: Account, serial: string): Promise<Fields | undefined> {
    const machine = await this.#machine(account, serial);
    return machine && flat(machine, [answerKeys.error]);
  }

  /** The same of the machine of that name, or of that customer, that was accepted last. */
  async baseOfNamed(
    account: Account,
    { name, customer }: { readonly name: string | undefined; readonly customer: string | undefined },
  ): Promise<Fields | undefined> {
    const visible = visibleTo(account);
    if (name === undefined && customer === undefined) return undefined;
    if (customer !== undefined && !maySee(account, customer)) return undefined;
    const filter: Record<string, Filter[string]> = {};
    if (name !== undefined) filter[storedKeys.name] = name;
    if (customer !== undefined) filter[storedKeys.customer] = customer;
    else if (visible !== 'all') filter[storedKeys.customer] = { oneOf: visible };
    const [machine] = await this.#store.find(machineCollection, { filter, sort: acceptedLast, limit: 1 });
    return machine && flat(machine, [answerKeys.error]);
  }

  /** Whether the account may see a machine. Of one without base information nobody knows whose it is. */
  async mayAsk(account: Account, serial: string): Promise<boolean> {
    return visibleTo(account) === 'all' || (await this.#machine(account, serial)) !== undefined;
  }

  /** Process reports, each as JSON; the times are ms since 1970 UTC, both inclusive. */
  async processOf(
    account: Account,
    serial: string,
    page: Page,
    times: { readonly fromMs: number | undefined; readonly untilMs: number | undefined },
    reader: PageReader,
  ): Promise<Buffer[]> {
    if (!(await this.mayAsk(account, serial))) return [];
    const { fromMs, untilMs } = times;
    const bounds = {
      ...(fromMs !== undefined && { atLeast: new Date(fromMs) }),
      ...(untilMs !== undefined && { atMost: new Date(untilMs) }),
    };
    const isBound = fromMs !== undefined || untilMs !== undefined;
    const filter = { [storedKeys.serial]: serial, ...(isBound && { _time: bounds }) };
    const query = { filter, sort: newestFirst, ...page };
    return readPage({ store: this.#store, target: processCollection, query, ...reader });
  }

  /** Errors, each as JSON, of these levels or, without any, of all. */
  async errorsOf(
    account: Account,
    serial: string,
    page: Page,
    wanted: readonly string[],
    reader: PageReader,
  ): Promise<Buffer[]> {
    if (!(await this.mayAsk(account, serial))) return [];
    const level = wanted.length === 1 ? wanted[0]! : { oneOf: wanted };
    const filter = { [storedKeys.serial]: serial, ...(wanted.length > 0 && { [storedKeys.level]: level }) };
    const query = { filter, sort: newestFirst, ...page };
    return readPage({ store: this.#store, target: errorCollection, query, ...reader, pick: errorOf });
  }

  async #machine(account: Account, serial: string): Promise<StoredDocument | undefined> {
    const [machine] = await this.#store.find(machineCollection, { filter: { _id: serial }, limit: 1 });
    if (machine === undefined) return undefined;
    const customer = machine[storedKeys.customer];
    return typeof customer === 'string' && maySee(account, customer) ? machine : undefined;
  }
}

function maySee(account: Account, customer: string): boolean {
  const visible = visibleTo(account);
  return visible === 'all' || visible.includes(customer);
}

/** `{"故障": 异常描述, "报文时间": …}`. A level that is not in the contract is a machine's own word, and told as a hint. */
function errorOf(document: StoredDocument): Fields {
  const level = document[storedKeys.level];
  const key = words.has(level) ? String(level) : levels.hint;
  return { [key]: document[storedKeys.description], [answerKeys.time]: document[storedKeys.time] };
}
