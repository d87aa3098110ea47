/**
 * Node-RED's runtime inside the child: settings, start, deploys and orderly end.
 *
 * Without the editor only those of Node-RED's own nodes are loaded that the flow uses.
 */
import { setDefaultResultOrder } from 'node:dns';
import { join } from 'node:path';
import type { Clock, Timer } from '../../platform/clock.ts';
import { readIfThere } from '../durable-file.ts';
import { credentialsName } from '../flow-pair.ts';
import { LineLimit } from '../line-limit.ts';
import type { ChildSettings, LogLine, TlsMaterial } from '../protocol.ts';
import { coreTypes, namesFor, withheld } from './core-nodes.ts';
import type { Editor } from './editor.ts';
import { logLine } from './log.ts';
import {
  coreNodesFolder,
  loadCredentials,
  loadMqttPacket,
  loadRuntime,
  loadUtil,
  type NodeRedLogLine,
  type Runtime,
} from './node-red.ts';
import type { Parent } from './parent.ts';
import { createStorage } from './storage.ts';
import { Traffic } from './traffic.ts';

const nodeCloseMs = 10_000;
/** A deploy may meet the end of the start before it. */
const settleMs = 30_000;
/** The whole gateway waits for the end. */
const stopDrainMs = 4000;
/** Should a deploy never come to its end, the sources go on all the same. */
const forgottenMs = 60_000;

/** Why Node-RED does not start a flow; other errors are of reading it, and leave the one that runs. */
const notStarted = new Set(['safe-mode', 'missing-types', 'missing-modules']);

export interface EngineOptions {
  readonly settings: ChildSettings;
  readonly parent: Parent;
  readonly clock: Clock;
}

export class Engine {
  readonly #options: EngineOptions;
  readonly #traffic: Traffic;
  readonly #lines: LineLimit;
  readonly #runtime: Runtime;
  #editor: Editor | undefined;
  #flows: 'none' | 'starting' | 'started' | 'stopping' = 'none';
  #forgotten: Timer | undefined;
  /** Resolves when the flow was read, or could not be. */
  readonly #read = Promise.withResolvers<void>();
  /** The flow that was stopped last was stopped in part. */
  #isPartial = false;

  constructor(options: EngineOptions) {
    const { settings, parent, clock } = options;
    this.#options = options;
    this.#lines = new LineLimit({ clock, write: (line) => parent.tell({ kind: 'log', line }) });
    // Node-RED reads where it is from here.
    process.env.NODE_RED_HOME = settings.folder;
    setDefaultResultOrder('ipv4first');
    this.#runtime = loadRuntime();
    this.#traffic = new Traffic({
      clock,
      limits: settings.limits,
      nodeOf: (id) => this.#runtime._.nodes.getNode(id),
      warn: (text) => this.log({ level: 'warn', text, facts: {} }),
    });
  }

  /** Messages held and lost over deploys, and under way. */
  get figures(): { held: number; dropped: number; underWay: number } {
    return { held: this.#traffic.heldTotal, dropped: this.#traffic.dropped, underWay: this.#traffic.underWay };
  }

  log(line: LogLine): void {
    this.#lines.add(line);
  }

  /** Resolves when the runtime is there; the flows are started by then or soon. */
  async start(): Promise<void> {
    const { settings: child, parent, clock } = this.#options;
    const listensForFlows = child.allowNodes.includes('http-in') || child.allowNodes.includes('websocket');
    if (child.editor !== undefined) {
      const httpNodeRoot = listensForFlows ? '/flow' : false;
      // It imports servers for HTTP, and with them much of Node that a headless engine never uses.
      const { Editor } = await import('./editor.ts');
      this.#editor = new Editor({ listen: child.editor, mayInstall: child.mayInstall, httpNodeRoot, parent, clock });
    }
    const settings = { ...this.#settings(), ...(await this.#nodes()), ...this.#editor?.settings };
    loadUtil().init(settings);
    this.#runtime.init(settings, this.#editor?.server as never, this.#editor?.api);
    this.#editor?.attach(settings, this.#runtime);
    this.#traffic.attach(this.#runtime.hooks);
    this.#listen();
    await this.#runtime.start();
    // A deploy before the first flow and its credentials were read would be written over by them, and they by it.
    await Promise.race([this.#read.promise, clock.sleep(settleMs)]);
    await this.#editor?.start();
  }

  /** Stops the sources, lets messages reach the end of their flow, and stops the flows. */
  async stop(): Promise<void> {
    const { settings, clock } = this.#options;
    const begunMs = clock.monotonicMs();
    await this.#deployed(stopDrainMs / 2);
    const leftMs = stopDrainMs - (clock.monotonicMs() - begunMs);
    if (this.#flows === 'started') await this.#traffic.quiesce(Math.min(settings.limits.drainMs, leftMs));
    await this.#editor?.stop();
    await this.#runtime.stop();
    this.#traffic.abandon();
    this.#lines.flush();
  }

  setCertificate(tls: TlsMaterial): void {
    this.#editor?.setCertificate(tls);
  }

  #settings(): object {
    const { settings: child } = this.#options;
    return {
      userDir: child.folder,
      coreNodesDir: coreNodesFolder,
      nodesDir: child.paletteFolder,
      credentialSecret: child.credentialSecret,
      storageModule: createStorage({
        folder: child.folder,
        beforeSwitch: () => this.#beforeSwitch(),
        afterFailure: () => this.#afterFailure(),
      }),
      safeMode: child.isSafeMode || undefined,
      holdfast: child.box,
      httpAdminRoot: false,
      httpNodeRoot: false,
      disableEditor: true,
      lang: child.language,
      nodeCloseTimeout: nodeCloseMs,
      functionExternalModules: false,
      exportGlobalContextKeys: false,
      externalModules: {
        autoInstall: false,
        palette: {
          allowInstall: child.mayInstall,
          allowUpdate: child.mayInstall,
          allowUpload: false,
        },
        modules: { allowInstall: false },
      },
      telemetry: { enabled: child.telemetry, updateNotification: child.telemetry },
      runtimeState: { enabled: false, ui: false },
      diagnostics: { enabled: false, ui: false },
      logging: {
        holdfast: {
          level: child.logLevel,
          metrics: false,
          audit: child.editor !== undefined,
          handler: () => (line: NodeRedLogLine) => {
            const own = logLine(line);
            if (own !== undefined) this.log(own);
          },
        },
      },
    };
  }

  /** Which of Node-RED's own nodes are loaded. */
  async #nodes(): Promise<object> {
    const { folder, allowNodes, editor, paletteFolder } = this.#options.settings;
    const left = withheld(allowNodes);
    const types = await coreTypes(coreNodesFolder);
    const flows = JSON.parse((await readIfThere(`${folder}/flows.json`)) ?? '[]') as { type: string }[];
    const used = new Set(flows.map(({ type }) => type));
    for (const { word, file } of left) {
      const missing = [...used].filter((type) => types.get(type) === file);
      if (missing.length === 0) continue;
      const text = `the flow uses ${missing.join(', ')}: add ${word} to flows.allowNodes, or take it out of the flow`;
      this.log({ level: 'warn', text, facts: {} });
    }
    // Left to itself it makes a table of 65,536 buffers at its first packet: 10 MB. Who edits may need it any time.
    if (editor !== undefined || used.has('mqtt-broker') || used.has('holdfast-gateway')) {
      loadMqttPacket().writeToStream.cacheNumbers = false;
    }
    return {
      nodesExcludes: left.map(({ file }) => file),
      ...(editor === undefined && { nodesIncludes: await namesFor({ flowTypes: used, types, folder, paletteFolder }) }),
    };
  }

  #listen(): void {
    const { parent } = this.#options;
    const { events } = this.#runtime;
    events.on('flows:starting', () => {
      this.#flows = 'starting';
      parent.tell({ kind: 'flows', state: 'starting' });
    });
    events.on('flows:started', () => {
      this.#flows = 'started';
      this.#forgotten?.cancel();
      void this.#traffic.release();
      parent.tell({ kind: 'flows', state: 'started' });
    });
    events.on('flows:stopping', ({ type }: { type?: string }) => {
      this.#isPartial = type !== 'full' && this.#flows === 'started';
      this.#flows = 'stopping';
      parent.tell({ kind: 'flows', state: 'stopping' });
    });
    events.on('runtime-event', ({ id, payload }: { id: string; payload?: { error?: string } }) => {
      if (id !== 'runtime-state') return;
      this.#read.resolve();
      if (payload?.error === undefined || !notStarted.has(payload.error)) return;
      this.#flows = 'none';
      if (this.#isPartial) {
        // What did not change runs on.
        this.#flows = 'started';
        this.#forgotten?.cancel();
        void this.#traffic.release();
      }
      parent.tell({ kind: 'flows', state: payload.error === 'safe-mode' ? 'safe' : 'incomplete' });
    });
  }

  /**
   * Also a flow that is stopped for a deploy is about to start: Node-RED answers the deploy in between, lets the next one
   * begin, and would stop for it a flow of which a part stands.
   */
  async #settled(deadlineMs: number): Promise<void> {
    const { clock } = this.#options;
    const begunMs = clock.monotonicMs();
    const isBetween = () => this.#flows === 'starting' || this.#flows === 'stopping';
    while (isBetween() && clock.monotonicMs() - begunMs < deadlineMs) await clock.sleep(20);
  }

  /** A deploy under way comes to its end, in time; what it holds is sent in any case, to the flow that runs by then. */
  async #deployed(deadlineMs: number): Promise<void> {
    const { clock } = this.#options;
    const begunMs = clock.monotonicMs();
    const isUnderWay = () => this.#traffic.isHolding && this.#flows !== 'none';
    while (isUnderWay() && clock.monotonicMs() - begunMs < deadlineMs) await clock.sleep(20);
    if (this.#traffic.isHolding && this.#flows === 'started') await this.#traffic.release();
  }

  /** The flow that runs goes on, with the credentials that are on the disk: a deploy changes those in memory before it writes. */
  async #afterFailure(): Promise<void> {
    void this.#traffic.release();
    try {
      const text = await readIfThere(join(this.#options.settings.folder, credentialsName));
      await loadCredentials().load(JSON.parse(text ?? '{}'));
    } catch {
      // They stay as they are in memory.
    }
  }

  async #beforeSwitch(): Promise<void> {
    await this.#settled(settleMs);
    if (this.#flows !== 'started') return;
    this.#forgotten?.cancel();
    await this.#traffic.quiesce();
    this.#forgotten = this.#options.clock.after(forgottenMs, () => {
      if (this.#flows === 'started') void this.#traffic.release();
    });
  }
}
