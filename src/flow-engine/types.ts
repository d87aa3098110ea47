import type { GatewayConfig } from '../config/index.ts';

/** The part of the configuration that this room is about. */
export type FlowsConfig = GatewayConfig['flows'];

/** A word of `flows.allowNodes`. */
export type WithheldNode = FlowsConfig['allowNodes'][number];

/** Why the engine ended unasked. */
export type EndReason = 'crash' | 'hang' | 'memory';

/** Somebody who may use the editor: to change everything, or to look. */
export interface EditorUser {
  readonly name: string;
  readonly permissions: '*' | 'read';
}

/** The gateway's accounts, as the editor needs them. The editor's sessions are the gateway's own. */
export interface EditorAccounts {
  /** Opens a session. `wrong` also for an account that may not use the editor. */
  login(
    name: string,
    password: string,
    address: string | undefined,
  ): Promise<{ readonly user: EditorUser; readonly token: string } | 'wrong' | { readonly waitMs: number }>;
  /** Whose session a token is; asked again at the latest every two seconds while somebody works. */
  token(token: string, address: string | undefined): Promise<EditorUser | undefined>;
  logout(token: string): Promise<void>;
}

/** The flow engine in `/healthz`. */
export interface FlowEngineState {
  readonly state: 'off' | 'starting' | 'running' | 'stopped' | 'restarting' | 'safe-mode';
  readonly pid?: number;
  readonly restarts: number;
  readonly lastReason?: EndReason;
  readonly memoryBytes?: number;
  readonly editor?: { readonly port: number };
  readonly flow?: { readonly revision: string; readonly knownGood: boolean };
}

/** Figures for the metrics; totals are of this run of the gateway. */
export interface FlowEngineFigures {
  readonly up: 0 | 1;
  readonly restarts: ReadonlyMap<EndReason, number>;
  readonly memoryBytes: number;
  /** Messages of sources that were kept over a deploy and sent after it. */
  readonly held: number;
  /** Messages that could not be kept over a deploy or a stop, or whose node was gone after it. */
  readonly dropped: number;
}

/** Limits and pauses; tests make them short. */
export interface FlowEngineLimits {
  /** Silence of the child's event loop that counts as a hang. */
  readonly hangTimeoutMs: number;
  /** The same until the flows start: on a small box the modules take a while. */
  readonly startTimeoutMs: number;
  readonly memoryCheckMs: number;
  readonly firstPauseMs: number;
  readonly maxPauseMs: number;
  /** A run that lasted so long makes the next pause the first one again. */
  readonly stableMs: number;
  /** A flow that has run so long is known to be good. */
  readonly knownGoodMs: number;
  /** Ends in a row after which a fresh flow is taken back. */
  readonly maxFailures: number;
  /** An orderly end may take so long; must be longer than `drainMs`. */
  readonly stopTimeoutMs: number;
  readonly drainMs: number;
  readonly stuckMs: number;
  readonly maxHeld: number;
  readonly maxHeldBytes: number;
}

export const defaultFlowEngineLimits: FlowEngineLimits = {
  hangTimeoutMs: 10_000,
  startTimeoutMs: 60_000,
  memoryCheckMs: 500,
  firstPauseMs: 1000,
  maxPauseMs: 60_000,
  stableMs: 10 * 60_000,
  knownGoodMs: 60_000,
  maxFailures: 3,
  stopTimeoutMs: 8000,
  drainMs: 10_000,
  stuckMs: 10_000,
  maxHeld: 10_000,
  maxHeldBytes: 16 * 1024 * 1024,
};
