/**
 * The flow engine as the gateway sees it: Node-RED in a process of its own, started, watched, and started again.
 *
 * Invariants: nothing here delays or fails the gateway; there is no process without something to run (a flow, a
 * ready-made one that is named, or the editor); at most one process runs the flows of a folder.
 * Failure behaviour: a process that crashes, stands still or grows too large is started again alone, after pauses that
 * double. A flow that has run for a minute is kept as known to be good; when another one ends three times in a row, the
 * known good one is put back (alarm `flow-restored`). Where none is known the editor opens with the flows stopped, or,
 * without the editor, the flow is tried on and on (alarm `flow-engine-down` either way).
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeError, type ErrorCode, HoldfastError } from '../errors.ts';
import type { Clock, Logger, LogLevel, Timer } from '../platform/index.ts';
import { credentialKey } from './credential-key.ts';
import { DeviceDesk, type DevicesRequest } from './device-desk.ts';
import { EditorDesk } from './editor-desk.ts';
import { type FlowContent, FlowFiles, isReadable } from './flow-files.ts';
import { type End, FlowProcess } from './flow-process.ts';
import { paletteFolder } from './palette-folder.ts';
import type { ChildSettings, LogLine, News, TlsMaterial } from './protocol.ts';
import {
  defaultFlowEngineLimits,
  type EditorAccounts,
  type EndReason,
  type FlowEngineFigures,
  type FlowEngineLimits,
  type FlowEngineState,
  type FlowsConfig,
} from './types.ts';

/** Where alarms are raised and cleared. */
export interface FlowAlarms {
  raise(code: ErrorCode, details?: Readonly<Record<string, unknown>>, subject?: string): void;
  clear(code: ErrorCode, subject?: string): void;
}

export interface FlowEngineOptions {
  readonly config: FlowsConfig;
  readonly dataFolder: string;
  /** Time zone of the flows, and language of what their nodes show: the site's. */
  readonly timezone: string;
  readonly language: 'zh' | 'en';
  readonly logLevel: LogLevel;
  /** Shown in the editor's head. */
  readonly title: string;
  /** What the nodes need to reach the gateway; asked at each start. A plain object, handed on as it is. */
  readonly box: () => object;
  readonly accounts: EditorAccounts;
  /** `http.plainFrom`. */
  readonly mayBePlain: (address: string | undefined) => boolean;
  /** PEM texts for `flows.editor.tls`. */
  readonly tls?: TlsMaterial | undefined;
  readonly alarms: FlowAlarms;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits?: Partial<FlowEngineLimits> | undefined;
  /** Folder of ready-made flows; that of this installation unless a test has its own. */
  readonly readyMadeFolder?: string | undefined;
}

/** `flows/` of this installation: beside `src/`, or beside `dist/`, whichever holds this file. */
const readyMade = ['../../flows', '../../../flows']
  .map((path) => fileURLToPath(new URL(path, import.meta.url)))
  .find((path) => existsSync(path));

export class FlowEngine {
  readonly #options: FlowEngineOptions;
  readonly #limits: FlowEngineLimits;
  readonly #logger: Logger;
  readonly #files: FlowFiles;
  readonly #desk: EditorDesk;
  readonly #devices: DeviceDesk;
  readonly #restarts = new Map<EndReason, number>();
  #state: FlowEngineState['state'] = 'off';
  #process: FlowProcess | undefined;
  #tls: TlsMaterial | undefined;
  #pause: Timer | undefined;
  #wellTimer: Timer | undefined;
  #pauses = 0;
  #startedAtMs = 0;
  #hasBegun = false;
  #isStopping = false;
  #lastReason: EndReason | undefined;
  #editorPort: number | undefined;
  #flow: { revision: string; knownGood: boolean } | undefined;
  /** Ends in a row of one flow. */
  #failures = { revision: '', count: 0 };
  #safeRevision: string | undefined;
  #totals = { held: 0, dropped: 0 };
  #current = { held: 0, dropped: 0 };
  /** What touches files and processes takes turns. */
  #last: Promise<void> = Promise.resolve();

  constructor(options: FlowEngineOptions) {
    this.#options = options;
    this.#limits = { ...defaultFlowEngineLimits, ...options.limits };
    this.#logger = options.logger.child({ part: 'flows' });
    this.#files = new FlowFiles(join(options.dataFolder, 'flows'));
    this.#desk = new EditorDesk({ ...options, logger: this.#logger });
    this.#devices = new DeviceDesk(options.clock);
    this.#tls = options.tls;
  }

  get state(): FlowEngineState {
    const pid = this.#process?.pid;
    return {
      state: this.#state,
      ...(pid !== undefined && { pid, memoryBytes: this.#process!.memoryBytes }),
      restarts: this.#restartCount,
      ...(this.#lastReason !== undefined && { lastReason: this.#lastReason }),
      ...(this.#editorPort !== undefined && { editor: { port: this.#editorPort } }),
      ...(this.#flow !== undefined && { flow: this.#flow }),
    };
  }

  get figures(): FlowEngineFigures {
    return {
      up: this.#state === 'running' ? 1 : 0,
      restarts: this.#restarts,
      memoryBytes: this.#process?.memoryBytes ?? 0,
      held: this.#totals.held + this.#current.held,
      dropped: this.#totals.dropped + this.#current.dropped,
    };
  }

  /** Starts it when there is something to run. Never rejects; does not wait for the flows. */
  async start(): Promise<void> {
    if (!this.#options.config.enabled) return;
    this.#isStopping = false;
    await this.#inTurn(async () => {
      await this.#files.open();
      await this.#files.settle(this.#logger);
      await this.#installInitial();
      const marked = await this.#files.marked();
      if (marked !== undefined) this.#raiseRestored(marked);
      await this.#launch();
    });
  }

  /** Lets messages under way reach the end of their flow and ends the process, by force after a while. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#pause?.cancel();
    this.#wellTimer?.cancel();
    await this.#last;
    await this.#process?.stop();
    await this.#last;
    if (this.#state !== 'off') this.#state = 'stopped';
  }

  /** What `holdfast device` asks about simulated devices. Errors as `DeviceDesk.ask`. */
  async *devices(request: DevicesRequest): AsyncGenerator<object> {
    const child = this.#process;
    if (child === undefined) {
      throw new HoldfastError(
        'flow-engine-down',
        'no flow runs here, so there is no simulated device: see flows.enabled',
      );
    }
    yield* this.#devices.ask(request, (order) => child.send(order));
  }

  /** A renewed certificate for the editor. */
  setCertificate(tls: TlsMaterial): void {
    this.#tls = tls;
    this.#process?.send({ kind: 'certificate', tls });
  }

  get #restartCount(): number {
    return [...this.#restarts.values()].reduce((sum, count) => sum + count, 0);
  }

  #inTurn(action: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(action).catch((error: unknown) => {
      this.#logger.error({ error: describeError(error) }, 'the flow engine could not go on');
      this.#options.alarms.raise('flow-engine-down', { cause: describeError(error) });
      if (this.#process === undefined && !this.#isStopping) this.#restartLater();
    });
    return this.#last;
  }

  async #installInitial(): Promise<void> {
    const { initial } = this.#options.config;
    if (initial === undefined || (await this.#files.current()) !== undefined) return;
    const folder = this.#options.readyMadeFolder ?? readyMade ?? '';
    const isName = /^[A-Za-z0-9_-]+$/.test(initial);
    const source = isName ? join(folder, initial, 'flows.json') : initial;
    try {
      await this.#files.install(source);
      this.#logger.info({ flow: initial }, 'a ready-made flow was put in place');
    } catch (error) {
      const next = 'correct flows.initial: the name of a folder in flows/, or the path of a JSON file';
      this.#options.alarms.raise('flow-engine-down', { cause: describeError(error), next });
    }
  }

  async #launch(): Promise<void> {
    if (this.#isStopping) return;
    const { config, clock } = this.#options;
    let content = await this.#files.current();
    if (content !== undefined && !isReadable(content)) {
      await this.#takeBack('its file cannot be read');
      content = await this.#files.current();
    }
    if (content === undefined && !config.editor.enabled) {
      this.#state = 'off';
      return;
    }
    const good = await this.#files.knownGood();
    this.#flow = content && { revision: content.revision, knownGood: good?.revision === content.revision };
    const isSafeMode = content !== undefined && this.#safeRevision === content.revision;
    this.#state = 'starting';
    this.#hasBegun = false;
    this.#startedAtMs = clock.monotonicMs();
    const child = new FlowProcess({
      settings: await this.#settings(isSafeMode),
      memoryLimitBytes: config.memoryLimitBytes,
      timezone: this.#options.timezone,
      limits: this.#limits,
      clock,
      onNews: (news) => this.#hear(news),
      onLine: (line) => this.#write(line),
    });
    child.start();
    this.#process = child;
    void child.ended.then((end) => this.#inTurn(() => this.#afterEnd(end)));
  }

  async #settings(isSafeMode: boolean): Promise<ChildSettings> {
    const { config, dataFolder, logLevel, title, box } = this.#options;
    const { editor } = config;
    const { drainMs, stuckMs, maxHeld, maxHeldBytes } = this.#limits;
    return {
      folder: join(dataFolder, 'flows'),
      credentialSecret: await credentialKey(join(dataFolder, 'secrets')),
      paletteFolder: paletteFolder(),
      allowNodes: config.allowNodes,
      mayInstall: config.palette.install,
      telemetry: config.telemetry,
      language: this.#options.language === 'zh' ? 'zh-CN' : 'en-US',
      logLevel:
        logLevel === 'warn' || logLevel === 'info' ? logLevel : /^(trace|debug)$/.test(logLevel) ? 'debug' : 'error',
      isSafeMode,
      box: { ...box(), ...(config.board !== undefined && { board: config.board }) },
      editor: editor.enabled ? { host: editor.host, port: editor.port, title, tls: this.#tls } : undefined,
      limits: { drainMs, stuckMs, maxHeld, maxHeldBytes },
    };
  }

  #hear(news: Exclude<News, { kind: 'log' }>): void {
    const { alarms } = this.#options;
    if (news.kind === 'alive') this.#current = { held: news.held, dropped: news.dropped };
    else if (news.kind === 'ask') void this.#answer(news);
    else if (news.kind === 'devices') this.#devices.hear(news.id, news.answer);
    else if (news.kind === 'editor') {
      this.#editorPort = news.port;
      alarms.clear('port-taken', 'flows.editor.port');
      this.#logger.info({ port: news.port }, 'the editor can be opened');
    } else if (news.kind === 'editor-failed') {
      const { code, text } = news;
      const next = 'give flows.editor.port another port, or stop the other program; the flows run meanwhile';
      alarms.raise('port-taken', { cause: `${code} ${text}`, next }, 'flows.editor.port');
    } else this.#hearOfFlows(news.state);
  }

  async #answer({ id, question }: Extract<News, { kind: 'ask' }>): Promise<void> {
    const child = this.#process;
    const answer = await this.#desk.answer(question);
    child?.send({ kind: 'answer', id, answer });
  }

  #hearOfFlows(state: Extract<News, { kind: 'flows' }>['state']): void {
    this.#wellTimer?.cancel();
    if (state === 'starting') this.#hasBegun = true;
    if (state === 'safe') this.#state = 'safe-mode';
    if (state === 'incomplete') {
      this.#state = 'running';
      this.#logger.warn({}, 'the flow was not started: some of its nodes are not installed, see the lines before');
    }
    if (state !== 'started') return;
    this.#state = 'running';
    this.#safeRevision = undefined;
    void this.#inTurn(async () => {
      const [content, good] = [await this.#files.current(), await this.#files.knownGood()];
      if (content === undefined) return;
      this.#flow = { revision: content.revision, knownGood: good?.revision === content.revision };
      this.#logger.info({ revision: content.revision, knownGood: this.#flow.knownGood }, 'the flow runs');
      this.#expectWell(content);
    });
  }

  #expectWell(content: FlowContent): void {
    this.#wellTimer?.cancel();
    this.#wellTimer = this.#options.clock.after(this.#limits.knownGoodMs, () => {
      void this.#inTurn(() => this.#runsWell(content));
    });
  }

  /** A flow has run for so long without an end. */
  async #runsWell(content: FlowContent): Promise<void> {
    const { alarms } = this.#options;
    if (this.#isStopping || this.#state !== 'running' || this.#flow?.revision !== content.revision) return;
    this.#failures = { revision: '', count: 0 };
    alarms.clear('flow-engine-down');
    if (this.#flow.knownGood) return;
    if (!(await this.#files.keep(content, this.#logger))) return this.#expectWell(content);
    this.#flow = { revision: content.revision, knownGood: true };
    alarms.clear('flow-restored');
    this.#logger.info({ revision: content.revision }, 'the flow is kept as known to be good');
  }

  async #afterEnd({ reason, detail }: End): Promise<void> {
    this.#wellTimer?.cancel();
    this.#process = undefined;
    this.#editorPort = undefined;
    this.#totals.held += this.#current.held;
    this.#totals.dropped += this.#current.dropped;
    this.#current = { held: 0, dropped: 0 };
    if (this.#isStopping) return;
    this.#lastReason = reason;
    this.#restarts.set(reason, (this.#restarts.get(reason) ?? 0) + 1);
    this.#logger.error({ reason, detail }, 'the flow engine has ended; it is started again');
    await this.#files.settle(this.#logger);
    await this.#judge(reason, detail);
    this.#restartLater();
  }

  /** Takes a fresh flow back that has ended too often. */
  async #judge(reason: EndReason, detail: string): Promise<void> {
    const content = await this.#files.current();
    const revision = content?.revision ?? '';
    const count = this.#failures.revision === revision ? this.#failures.count + 1 : 1;
    this.#failures = { revision, count };
    if (count < this.#limits.maxFailures) return;
    const isKnownGood = (await this.#files.knownGood())?.revision === revision;
    // What ends before the flows begin is not the flow's fault.
    if (content !== undefined && this.#hasBegun && !isKnownGood) await this.#takeBack(`${reason}: ${detail}`);
    else this.#raiseDown(`${reason}: ${detail}`);
  }

  async #takeBack(cause: string): Promise<void> {
    const { config, clock } = this.#options;
    const good = await this.#files.knownGood();
    const current = await this.#files.current();
    if (good !== undefined && good.revision !== current?.revision && isReadable(good)) {
      const rejected = (await this.#files.reject(clock.wallMs())) ?? '';
      await this.#files.restore(good);
      await this.#files.mark(rejected);
      this.#failures = { revision: '', count: 0 };
      this.#raiseRestored(rejected, cause);
      return;
    }
    this.#raiseDown(cause);
    if (current === undefined || isReadable(current)) {
      if (config.editor.enabled) this.#safeRevision = current?.revision;
      return;
    }
    const rejected = await this.#files.reject(clock.wallMs());
    this.#logger.error({ rejected }, 'the flow cannot be read and is put aside');
    await this.#files.restore({ flows: '[]\n', credentials: undefined, revision: '' });
  }

  #raiseRestored(rejected: string, cause?: string): void {
    this.#options.alarms.raise('flow-restored', {
      rejected: join('flows', rejected),
      ...(cause !== undefined && { cause }),
      next: 'correct the flow and deploy it again; the rejected one can be imported in the editor',
    });
  }

  #raiseDown(cause: string): void {
    const next = this.#options.config.editor.enabled
      ? 'open the editor, correct the flow and deploy it'
      : 'see the log; enable flows.editor to correct the flow';
    this.#options.alarms.raise('flow-engine-down', { cause, next });
  }

  #restartLater(): void {
    const { clock } = this.#options;
    const { firstPauseMs, maxPauseMs, stableMs } = this.#limits;
    if (clock.monotonicMs() - this.#startedAtMs >= stableMs) this.#pauses = 0;
    this.#state = 'restarting';
    const pauseMs = Math.min(maxPauseMs, firstPauseMs * 2 ** Math.min(this.#pauses++, 30));
    this.#pause?.cancel();
    this.#pause = clock.after(pauseMs, () => void this.#inTurn(() => this.#launch()));
  }

  #write({ level, text, facts }: LogLine): void {
    this.#logger[level](facts, text);
  }
}
