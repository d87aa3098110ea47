/**
 * What went wrong, as `catch` gets it: `error.code` says which case it is, the text what to do next.
 *
 * Codes of the nodes that talk to the gateway; those marked * come from the gateway itself:
 * `no-gateway`, `no-box`, `bad-settings` – the settings; `unreachable`, `certificate`, `bad-credentials`,
 * `connection-lost` – the connection; `queue-full`, `too-large`, `bad-input` – refused before anything was sent;
 * `no-answer` – nothing came in time; `malformed`*, `forbidden`*, `quarantined`*, `evicted`* and others – the answer.
 */
export class NodeError extends Error {
  readonly code: string;
  /** The report or question it is about. */
  readonly id: string | undefined;

  constructor(code: string, text: string, { id, cause }: { id?: string | undefined; cause?: unknown } = {}) {
    super(text, cause === undefined ? undefined : { cause });
    this.name = 'NodeError';
    this.code = code;
    this.id = id;
  }
}

/** The text of whatever was thrown. */
export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
