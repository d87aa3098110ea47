/**
 * Brings what is in the spool to the centre.
 *
 * Invariants: a report leaves its log only when the centre has answered that it is stored (`acknowledge: stored`), or
 * the broker has confirmed it (`broker`); within a machine and channel reports are published in the order of
 * acceptance, and when one is sent again, those after it are sent again after it; what is under way without a receipt
 * is bounded; bodies are not kept in memory, a report that is sent again is read again.
 * Failure behaviour: a lost link, a silent centre, a missing queue or a refusal lose nothing: the reports stay in their
 * log and are tried again with growing pauses; each state is an alarm and stands in `state`. A report that the centre
 * will never take goes to the quarantine; one that it refuses for long goes aside (`refusals.ts`), so that one machine
 * does not hold up the log.
 */
import type { HoldfastError } from '../errors.ts';
import type { Logger, Timer } from '../platform/index.ts';
import { type DecodedRecord, type LaneName, type LogName, laneNames } from '../spool/index.ts';
import { Admission } from './admission.ts';
import { ChannelPauses } from './channel-pauses.ts';
import { Correlation } from './correlation.ts';
import { awaitOutcome, type Flight, type FlightOutcome, tellOutcome } from './flight.ts';
import { Flights } from './flights.ts';
import type { ForwarderOptions, ForwarderState } from './forwarder-options.ts';
import { LaneQueue } from './lane-queue.ts';
import { PairGate } from './pair-gate.ts';
import { ReceiptWindow } from './receipt-window.ts';
import { readReceipt } from './receipts.ts';
import { Refusals } from './refusals.ts';
import { Resending } from './resending.ts';
import { Scheduler } from './scheduler.ts';
import { Silence } from './silence.ts';
import type { Receipt, ReportListener } from './transport.ts';

/** The lane of base information (contracts/machines.md). */
const indexedLane: LogName = 'state';
const tickMs = 100;

export class Forwarder implements ReportListener {
  readonly #options: ForwarderOptions;
  readonly #logger: Logger;
  readonly #lanes: readonly LaneQueue[];
  readonly #scheduler: Scheduler;
  readonly #window: ReceiptWindow;
  readonly #flights: Flights;
  readonly #silence: Silence;
  readonly #correlation: Correlation;
  readonly #refusals: Refusals;
  readonly #admission: Admission;
  readonly #pauses: ChannelPauses;
  readonly #gate: PairGate;
  readonly #resending: Resending;
  #connected = false;
  #open = true;
  #stopped = false;
  #timer: Timer | undefined;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#logger = options.logger.child({ part: 'uplink' });
    const { spool, clock } = options;
    this.#lanes = laneNames.map(
      (name) =>
        new LaneQueue({
          name,
          weight: options.weights[name],
          spool,
          clock,
          logger: this.#logger,
          onReady: () => this.#pump(),
        }),
    );
    this.#scheduler = new Scheduler(this.#lanes);
    this.#window = new ReceiptWindow(options.window);
    const pauses = { firstMs: options.pauses?.firstMs ?? 1000, longestMs: options.pauses?.longestMs ?? 300_000 };
    this.#pauses = new ChannelPauses({ alarms: options.alarms, pauses });
    this.#flights = new Flights({ spool, gatewayId: options.gatewayId });
    this.#silence = new Silence({
      timeoutMs: options.receiptTimeoutMs,
      longestPauseMs: pauses.longestMs,
      alarms: options.alarms,
    });
    this.#correlation = new Correlation({
      flights: this.#flights,
      logger: this.#logger,
      quietMs: options.receiptTimeoutMs,
    });
    this.#refusals = new Refusals({
      host: {
        sendAgain: (flight) => this.#sendAgain(flight),
        settle: (flight, outcome) => this.#settle(flight, outcome),
        pump: () => this.#pump(),
        canSend: () => this.#canSend(),
      },
      spool,
      flights: this.#flights,
      clock,
      logger: this.#logger,
      alarms: options.alarms,
      deferAfterMs: options.deferAfterMs ?? 300_000,
      quarantineAfterMs: options.quarantineAfterMs ?? 86_400_000,
      pauses,
    });
    this.#admission = new Admission({
      flights: this.#flights,
      window: this.#window,
      correlation: this.#correlation,
      refusals: this.#refusals,
    });
    this.#gate = new PairGate({
      transport: options.transport,
      correlation: this.#correlation,
      pauses: this.#pauses,
      clock,
      logger: this.#logger,
      acknowledge: options.acknowledge,
      isConnected: () => this.#connected,
      isSilent: (channel) => this.#silence.isLasting && this.#flights.hasInAir(channel),
      onOpened: () => this.#pump(),
    });
    this.#resending = new Resending({
      host: {
        isConnected: () => this.#connected,
        canSend: () => this.#canSend(),
        send: (flight, record) => this.#send(flight, record),
        settle: (flight, outcome) => this.#settle(flight, outcome),
      },
      spool,
      flights: this.#flights,
      gate: this.#gate,
      refusals: this.#refusals,
      logger: this.#logger,
    });
  }

  get state(): ForwarderState {
    let held = 0;
    for (const pair of this.#flights.pairs.all()) if (pair.hold !== undefined) held++;
    return {
      underWay: this.#flights.inAir,
      window: this.#window.size,
      parked: this.#flights.parked,
      held,
      correlates: this.#correlation.isGiven,
      silent: this.#silence.isLasting,
    };
  }

  async start(): Promise<void> {
    await this.#refusals.deferral.start();
    this.#timer = this.#options.clock.every(tickMs, () => this.#tick());
    for (const lane of this.#lanes) lane.fill();
    this.#options.transport.start(this);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#options.transport.stop();
    for (const lane of this.#lanes) lane.stop();
    await this.#refusals.deferral.stop();
  }

  /** New reports are in this log. */
  onStored(log: LogName): void {
    this.#lanes.find(({ name }) => name === log)?.fill();
  }

  /** A report was put back among those that stand aside, to be sent again. */
  onRequeued(record: DecodedRecord): void {
    this.#refusals.deferral.onRequeued(record);
  }

  /**
   * Sends the waiting base information of a machine before everything else; resolves when the centre has it all, or
   * refused it, or after `deadlineMs`.
   */
  async bringForward(serial: string, deadlineMs: number): Promise<void> {
    const { spool, clock } = this.#options;
    const records = await spool.pendingOf(serial);
    const ends: (() => void)[] = [];
    const settled = records.map(
      (record) =>
        new Promise<void>((resolve) => {
          const flight = this.#flights.of(record, indexedLane);
          if (flight === undefined) return resolve();
          ends.push(awaitOutcome(flight, () => resolve()));
          if (flight.place === 'nowhere') this.#park(flight);
        }),
    );
    this.#pump();
    await Promise.race([Promise.all(settled), clock.sleep(deadlineMs)]);
    for (const end of ends) end();
  }

  onConnected(): void {
    this.#connected = true;
    this.#open = true;
    this.#silence.onConnected(this.#now());
    for (const pair of this.#flights.pairs.all()) {
      pair.opening = false;
      // Receipts of what the broker had confirmed may still come, to queues that have to be listened to again.
      if (pair.flying.length > 0) this.#gate.isWatched(pair);
    }
    this.#pump();
    this.#refusals.deferral.wake();
  }

  onDisconnected(error: HoldfastError): void {
    this.#connected = false;
    if (error.code === 'uplink-gateway-id-taken') this.#options.alarms.raise(error.code, { text: error.message });
    else this.#options.alarms.clear('uplink-gateway-id-taken');
    // What was not confirmed is in doubt; it is sent again, and what follows it in its order too.
    for (const pair of this.#flights.pairs.all()) {
      const first = pair.flying.find((flight) => flight.confirmedAtMs === undefined);
      if (first !== undefined) this.#sendAgain(first);
      for (const flight of pair.waiting) flight.tries = 0;
    }
  }

  onDrain(): void {
    this.#open = true;
    this.#pump();
  }

  onConfirmed(messageId: string): void {
    const flight = this.#flights.get(messageId);
    if (flight === undefined) return;
    this.#pauses.onConfirmed(flight.pair.channel);
    if (this.#options.acknowledge === 'broker') {
      this.#settle(flight, 'delivered');
      this.#pump();
    } else flight.confirmedAtMs = this.#now();
  }

  onRejected(messageId: string, error: HoldfastError): void {
    const flight = this.#flights.get(messageId);
    if (flight === undefined) return;
    this.#pauses.onRejected(flight.pair.channel, error, this.#now());
    this.#sendAgain(flight);
  }

  onReceipt(receipt: Receipt): void {
    const verdict = readReceipt(receipt.body);
    const flight = this.#correlation.match(receipt, verdict, this.#now());
    if (flight === undefined || verdict.kind === 'unreadable') {
      this.#options.counters.receiptsUnmatched++;
      return;
    }
    const now = this.#now();
    this.#silence.onReceipt(now, flight);
    this.#window.onReceipt();
    if (verdict.kind === 'stored') {
      this.#refusals.deferral.noteStored(flight.pair.channel);
      // A later report may have been stored before an earlier one was refused: that one is still held.
      const next = flight.pair.waiting[0];
      if (next === undefined || next.sends === 0 || next.sequence > flight.sequence) flight.pair.hold = undefined;
      this.#settle(flight, 'delivered');
    } else if (verdict.kind === 'malformed') void this.#refusals.quarantine(flight, verdict.text);
    else this.#refusals.refuse(flight, verdict.text);
    this.#pump();
  }

  #now(): number {
    return this.#options.clock.monotonicMs();
  }

  /** Sends as long as window, link and order allow. */
  #pump(): void {
    if (!this.#canSend()) return;
    if (this.#flights.pairs.waiting.size > 0) void this.#resending.drain();
    while (this.#canSend()) {
      const next = this.#scheduler.next((lane) => this.#admission.hasRoom(lane, this.#silence.isLasting));
      if (next === undefined) return;
      this.#dispatch(next.lane, next.record);
    }
  }

  /** Into a silence goes one report of each channel (`PairGate`): the one that is not answered may be nobody's. */
  #canSend(): boolean {
    const hasRoom = this.#silence.isLasting || this.#flights.inAir < this.#window.size;
    return this.#connected && this.#open && !this.#stopped && hasRoom;
  }

  #dispatch(lane: LaneName, record: DecodedRecord): void {
    const flight = this.#flights.of(record, lane);
    // Brought forward already, and now reached in its turn.
    if (flight === undefined || flight.place !== 'nowhere') return;
    const { pair } = flight;
    if (this.#refusals.deferral.has(pair.key)) void this.#refusals.defer(pair, [flight]);
    else if (pair.waiting.length > 0 || !this.#gate.mayGo(pair)) {
      this.#park(flight);
      this.#admission.onParked(lane, pair);
    } else this.#send(flight, record);
  }

  #park(flight: Flight): void {
    this.#flights.park(flight);
    if (!this.#admission.isFull(flight.log)) return;
    // One machine that is refused must not hold up the lane: it goes aside before its time.
    const fullest = this.#flights.fullestHeld();
    if (fullest !== undefined) void this.#refusals.defer(fullest, [...fullest.flying, ...fullest.waiting]);
  }

  #send(flight: Flight, record: DecodedRecord): void {
    const { transport } = this.#options;
    try {
      this.#open = transport.send({
        messageId: flight.messageId,
        channel: record.channel,
        serial: record.serial,
        body: record.payload,
        sequence: record.sequence,
        previous: record.previous,
        acceptedAtMs: record.wallMs,
        clockTrusted: record.clockTrusted,
      });
    } catch {
      // The link has just gone: it waits for the next one.
      this.#park(flight);
      return;
    }
    if (flight.sends > 0) this.#options.counters.reportsSentAgain++;
    if (this.#correlation.isGiven !== true && this.#options.acknowledge === 'stored') {
      flight.state = this.#options.stateOf(record.channel, record.payload);
    }
    this.#flights.takeOff(flight, this.#now());
  }

  /** Takes a flight out of the air, and all of its machine and channel after it, to send them again in order. */
  #sendAgain(first: Flight): void {
    const index = first.pair.flying.indexOf(first);
    if (index < 0) return;
    for (const flight of first.pair.flying.slice(index)) {
      this.#flights.takeOut(flight);
      this.#park(flight);
    }
  }

  #settle(flight: Flight, outcome: FlightOutcome): void {
    const { spool } = this.#options;
    this.#flights.remove(flight);
    if (outcome === 'delivered') {
      const { origin } = flight;
      // Before the cursor knows it.
      if (origin !== undefined) spool.origins.settle(origin);
      if (spool.acknowledge(flight.log, flight.ordinal)) this.#options.counters.reportsDelivered++;
      if (origin !== undefined) this.#options.onDelivered?.(origin);
    }
    tellOutcome(flight, outcome);
    if (this.#flights.pairs.waiting.size > 0) void this.#resending.drain();
  }

  #tick(): void {
    const now = this.#now();
    if (this.#options.acknowledge === 'stored' && this.#connected && !this.#options.transport.state.blocked) {
      this.#checkSilence(now);
    }
    for (const pair of this.#flights.pairs.all()) {
      if (pair.quietUntilMs > 0 && pair.quietUntilMs <= now) {
        pair.quietUntilMs = 0;
        this.#flights.pairs.tidy(pair);
      }
    }
    this.#pump();
  }

  #checkSilence(now: number): void {
    const oldest = this.#flights.oldestInAir();
    const wasLasting = this.#silence.isLasting;
    const patience = this.#silence.judge(now, oldest);
    if (oldest === undefined || patience === 'wait') return;
    if (patience === 'give-up') {
      this.#refusals.refuse(oldest, 'no receipt');
      return;
    }
    if (patience === 'probe' && !wasLasting) this.#window.onSilence();
    const probes = wasLasting ? this.#flights.oldestOfChannels() : [oldest];
    for (const flight of probes) void this.#resending.probe(flight);
  }
}
