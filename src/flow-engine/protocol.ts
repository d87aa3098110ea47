import type { WithheldNode } from './types.ts';

/** What the child gets at its start; over IPC, never by argv or environment, because it holds secrets. */
export interface ChildSettings {
  /** Node-RED's `userDir`, the child's own folder. */
  readonly folder: string;
  /** What Node-RED encrypts credentials with. */
  readonly credentialSecret: string;
  /** Folder of the installed palette; undefined when there is none. */
  readonly paletteFolder: string | undefined;
  readonly allowNodes: readonly WithheldNode[];
  readonly mayInstall: boolean;
  readonly telemetry: boolean;
  /** Of the statuses that nodes show, as Node-RED names it. */
  readonly language: 'en-US' | 'zh-CN';
  readonly logLevel: 'error' | 'warn' | 'info' | 'debug';
  /** Loads the flows without starting them. */
  readonly isSafeMode: boolean;
  /** `RED.settings.holdfast`, what the nodes need to reach the gateway. */
  readonly box: object;
  readonly editor: EditorListen | undefined;
  readonly limits: ChildLimits;
}

/** Where the editor listens. */
export interface EditorListen {
  readonly host: string;
  readonly port: number;
  readonly title: string;
  readonly tls: TlsMaterial | undefined;
}

/** PEM texts. */
export interface TlsMaterial {
  readonly certificate: string;
  readonly key: string;
}

/** What bounds a deploy. */
export interface ChildLimits {
  /** Messages under way may take so long to reach the end of their flow. */
  readonly drainMs: number;
  /** A message that a node has had for so long is not waited for. */
  readonly stuckMs: number;
  /** What sources send meanwhile. */
  readonly maxHeld: number;
  readonly maxHeldBytes: number;
}

/** What the editor asks about people. */
export type Question =
  | {
      readonly kind: 'login';
      readonly name: string;
      readonly password: string;
      readonly address: string | undefined;
      readonly isSecure: boolean;
    }
  | { readonly kind: 'token'; readonly token: string; readonly address: string | undefined }
  | { readonly kind: 'logout'; readonly token: string };

/** What `holdfast device` asks about the simulated devices, which live where the flows run. */
export type DeviceRequest =
  | { readonly action: 'list' }
  | { readonly action: 'control'; readonly device: string; readonly verb: string; readonly values: readonly string[] };

/** What is to be shown, or why nothing was done. */
export type DeviceAnswer = { readonly items: readonly object[] } | { readonly error: string };

/** From the gateway to the child. */
export type Order =
  | { readonly kind: 'start'; readonly settings: ChildSettings }
  | { readonly kind: 'stop' }
  | { readonly kind: 'certificate'; readonly tls: TlsMaterial }
  | { readonly kind: 'devices'; readonly id: number; readonly request: DeviceRequest }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown };

/** A line for the gateway's log. */
export interface LogLine {
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  readonly text: string;
  /** Type, id and name of the node that says it, and the like. */
  readonly facts: Readonly<Record<string, string | number>>;
}

/** From the child to the gateway. */
export type News =
  | { readonly kind: 'alive'; readonly held: number; readonly dropped: number; readonly underWay: number }
  /** `incomplete`: nothing was started, since types or modules are missing. */
  | { readonly kind: 'flows'; readonly state: 'starting' | 'started' | 'stopping' | 'incomplete' | 'safe' }
  | { readonly kind: 'editor'; readonly port: number }
  | { readonly kind: 'editor-failed'; readonly code: string; readonly text: string }
  | { readonly kind: 'log'; readonly line: LogLine }
  | { readonly kind: 'devices'; readonly id: number; readonly answer: DeviceAnswer }
  | { readonly kind: 'ask'; readonly id: number; readonly question: Question };
