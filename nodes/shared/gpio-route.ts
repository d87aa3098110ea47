import {
  type BoardProfile,
  type ChipDescription,
  detectBoard,
  type HeaderPin,
  lineOwners,
  openChip,
} from '@holdfast/hardware/gpio';
import { textOf } from './node-error.ts';
import type { NodeRed } from './node-red.ts';

/** What the dialogs of the GPIO nodes show. */
export interface GpioAnswer {
  readonly board: Pick<BoardProfile, 'name' | 'title' | 'notes'> | undefined;
  readonly chip: Pick<ChipDescription, 'driver' | 'explanation' | 'problem'>;
  /** Pins of the header, when the chip is that of the header. */
  readonly pins: readonly HeaderPin[];
  /** Lines that flows of this Node-RED use now. */
  readonly used: readonly { readonly line: number; readonly owner: string }[];
}

interface Request {
  readonly query: Readonly<Record<string, unknown>>;
}
interface Response {
  status(code: number): this;
  json(body: unknown): void;
}

const served = new WeakSet<object>();
const longestUri = 200;

/**
 * `GET holdfast/gpio?chip=URI`: board, pins and state of a chip, for who may read flows. Both GPIO nodes ask for it;
 * it is set up once.
 */
export function serveGpio(RED: NodeRed): void {
  const { httpAdmin, auth } = RED;
  if (!httpAdmin || served.has(httpAdmin)) return;
  served.add(httpAdmin);
  const board = RED.settings.holdfast?.board;
  const allowed = auth ? [auth.needsPermission('flows.read')] : [];
  httpAdmin.get('/holdfast/gpio', ...allowed, (request: Request, response: Response) => {
    const uri = String(request.query.chip ?? 'auto:').slice(0, longestUri);
    gpioAnswer(uri, board).then(
      (answer) => response.json(answer),
      (error: unknown) => response.status(400).json({ error: textOf(error) }),
    );
  });
}

/** @throws GpioError for a URI or a board that is none */
export async function gpioAnswer(uri: string, name: string | undefined): Promise<GpioAnswer> {
  const board = await detectBoard({ name });
  const simulated = uri.startsWith('sim:') ? (await detectBoard({ name: 'simulated' }))! : undefined;
  // A simulated chip comes into being by being opened; looking at it must not.
  const description = simulated ? undefined : await openChip(uri, { board: name }).describe();
  const header = simulated ?? (/^(auto|sysfs|gpiod):$/.test(uri) || isHeader(board, description) ? board : undefined);
  const label = description?.label ?? uri.slice('sim:'.length);
  return {
    board: board && { name: board.name, title: board.title, notes: board.notes },
    chip: {
      driver: description?.driver ?? 'simulated',
      explanation: description?.explanation ?? `Simulated chip "${label}".`,
      ...(description?.problem ? { problem: description.problem } : {}),
    },
    pins: header?.pins ?? [],
    used: lineOwners()
      .filter(({ chip }) => chip === label || chip === `sim:${label}`)
      .map(({ line, owner }) => ({ line, owner })),
  };
}

function isHeader(board: BoardProfile | undefined, description: ChipDescription | undefined): boolean {
  return description?.label !== undefined && (board?.chipLabels.includes(description.label) ?? false);
}
