/**
 * What these nodes use of Node-RED's runtime API (Node-RED 4 and 5), and the one way in which they register.
 *
 * Only registration files know `RED`; what a node does is in its controller, which gets what it needs as options.
 */

/** The small mark below a node in the editor. */
export interface NodeStatus {
  readonly fill?: 'red' | 'green' | 'yellow' | 'blue' | 'grey';
  readonly shape?: 'ring' | 'dot';
  readonly text?: string;
}

/** What flows along a wire. */
export interface Message {
  payload?: unknown;
  topic?: unknown;
  _msgid?: string;
  [key: string]: unknown;
}

/** A message for each output, or nothing for it. */
export type Outputs = Message | readonly (Message | readonly Message[] | null | undefined)[] | null;

/** Sends on, for the message that is being handled. */
export type Send = (outputs: Outputs) => void;
/** Ends the handling of a message: `complete` nodes hear of it, or `catch` nodes when there is an error. */
export type Done = (error?: Error | string) => void;

/** A node as it stands in a flow: what its dialog saved. */
export interface NodeConfig {
  readonly id: string;
  readonly type: string;
  readonly name?: string;
  /** Version of the configuration; absent in one that was saved before there were versions. */
  readonly version?: number;
  readonly [key: string]: unknown;
}

/** An instance that Node-RED made of a `NodeConfig`. */
export interface NodeInstance {
  readonly id: string;
  readonly type: string;
  readonly name?: string;
  credentials?: Record<string, string | undefined>;
  send(outputs: Outputs): void;
  /** With a message, `catch` nodes get it. */
  error(text: string | Error, message?: Message): void;
  warn(text: string): void;
  log(text: string): void;
  debug(text: string): void;
  status(status: NodeStatus): void;
  on(event: 'input', handler: (this: NodeInstance, message: Message, send: Send, done: Done) => void): this;
  on(event: 'close', handler: (this: NodeInstance, removed: boolean, done: () => void) => void): this;
}

/** Node-RED, as a registration gets it. */
export interface NodeRed {
  readonly version?: () => string;
  readonly nodes: {
    createNode(instance: NodeInstance, config: NodeConfig): void;
    getNode(id: string): NodeInstance | null | undefined;
    registerType<C extends NodeConfig>(
      type: string,
      make: (this: NodeInstance, config: C) => void,
      options?: {
        credentials?: Record<string, { type: 'text' | 'password' }>;
        settings?: Record<string, { value: unknown; exportable?: boolean }>;
      },
    ): void;
  };
  /** `settings.js`; on a Holdfast box the flow engine puts `holdfast` there. */
  readonly settings: Readonly<Record<string, unknown>> & { readonly holdfast?: BoxSettings };
  readonly events: {
    on(event: string, listener: (...values: never[]) => void): void;
    off(event: string, listener: (...values: never[]) => void): void;
  };
  readonly util: {
    cloneMessage(message: Message): Message;
    getMessageProperty(message: Message, property: string): unknown;
    setMessageProperty(message: Message, property: string, value: unknown, create?: boolean): boolean;
    evaluateNodeProperty(value: unknown, type: string, node: NodeInstance, message: Message): unknown;
  };
  /** Routes for the editor's dialogs; absent without the editor. */
  readonly httpAdmin?: {
    get(path: string, ...handlers: readonly unknown[]): void;
    post(path: string, ...handlers: readonly unknown[]): void;
  };
  readonly auth?: { needsPermission(permission: string): unknown };
  /** A text of the node's catalogue. */
  _(key: string, values?: Record<string, string | number>): string;
}

/** How the nodes on a box reach its gateway; made anew at each start of the flow engine. */
export interface BoxSettings {
  /** Path of the Unix socket on which the gateway's broker listens. */
  readonly socket: string;
  readonly username: string;
  readonly password: string;
  /** A board profile's name, when the configuration names one. */
  readonly board?: string;
}
