/**
 * What the child uses of Node-RED 5's modules. They are loaded from where the package `node-red` finds them, without its
 * own entry point, which would load the editor's server as well.
 */
import type { RequestListener, Server } from 'node:http';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';

/** An express application or middleware. */
export type Handler = (request: never, response: never, next: () => void) => void;

/** A node as it runs. What begins with _ is Node-RED's own, and how `done` is expected can be seen nowhere else. */
export interface FlowNode {
  readonly id: string;
  readonly type: string;
  readonly name?: string;
  readonly wires?: readonly (readonly string[])[];
  readonly _inputCallback?: { readonly length: number } | null;
  readonly _inputCallbacks?: readonly unknown[] | null;
  readonly _expectedDoneCount?: number;
  send(outputs: unknown): void;
}

/** One message on its way along one wire. */
export interface SendEvent {
  readonly msg: object;
  readonly source: { readonly id: string; readonly node: FlowNode; readonly port: number };
  readonly destination: { readonly id: string; readonly node?: FlowNode };
}

/** A message at a node. */
export interface ReceiveEvent {
  readonly msg: object;
  readonly destination: { readonly id: string; readonly node: FlowNode };
}

/** A node is through with a message. */
export interface CompleteEvent {
  readonly msg: object;
  readonly node: { readonly id: string; readonly node: FlowNode };
}

/** A line as Node-RED gives it to a handler. */
export interface NodeRedLogLine {
  readonly level: number;
  readonly msg?: unknown;
  readonly type?: string;
  readonly id?: string;
  readonly name?: string;
  readonly event?: string;
  readonly user?: { readonly username?: string };
}

export interface NodeRedHooks {
  add(name: 'onSend.holdfast', hook: (events: readonly SendEvent[]) => false | undefined): void;
  add(name: 'preDeliver.holdfast', hook: (event: SendEvent) => void): void;
  add(name: 'onReceive.holdfast' | 'postReceive.holdfast', hook: (event: ReceiveEvent) => void): void;
  add(name: 'onComplete.holdfast', hook: (event: CompleteEvent) => void): void;
}

export interface Runtime {
  init(settings: object, server?: Server, editorApi?: object): void;
  start(): Promise<void>;
  stop(): Promise<void>;
  readonly events: { on(event: string, listener: (value: never) => void): void };
  readonly hooks: NodeRedHooks;
  readonly httpNode: Handler;
  readonly httpAdmin: Handler;
  readonly storage: object;
  readonly _: { readonly nodes: { getNode(id: string): FlowNode | null | undefined } };
}

export interface EditorApi {
  init(settings: object, server: Server, storage: object, runtime: Runtime): void;
  start(): Promise<void>;
  stop(): Promise<void>;
  readonly httpAdmin: Handler & { use(handler: Handler): void };
}

export type Express = RequestListener & {
  use(handler: Handler): void;
  use(path: string, handler: Handler): void;
  disable(setting: string): void;
};

const here = createRequire(import.meta.url);
const require = createRequire(here.resolve('node-red/package.json'));

export const loadRuntime = () => require('@node-red/runtime') as Runtime;
export const loadUtil = () => require('@node-red/util') as { init(settings: object): void };
export const loadEditorApi = () => require('@node-red/editor-api') as EditorApi;
export const loadExpress = () => require('express') as () => Express;
/** The library on disk: the only part of Node-RED's storage that is used as it is. */
export const loadLibrary = () =>
  require('@node-red/runtime/lib/storage/localfilesystem/library') as {
    init(settings: object): Promise<void>;
    getLibraryEntry(type: string, path: string): Promise<unknown>;
    saveLibraryEntry(type: string, path: string, meta: object, body: string): Promise<void>;
  };
/** What writes the packets of Node-RED's MQTT nodes. */
export const loadMqttPacket = () => {
  const nodes = createRequire(require.resolve('@node-red/nodes'));
  return createRequire(nodes.resolve('mqtt'))('mqtt-packet') as { writeToStream: { cacheNumbers: boolean } };
};
/** The credentials as Node-RED has them in memory; a deploy changes them before it is written. */
export const loadCredentials = () =>
  require('@node-red/runtime/lib/nodes/credentials') as { load(credentials: object): Promise<void> };
/** The folder of Node-RED's own nodes. */
export const coreNodesFolder = dirname(require.resolve('@node-red/nodes'));
