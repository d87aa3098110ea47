import { HoldfastError } from '../errors.ts';
import type { Clock } from '../platform/index.ts';
import type { DeviceAnswer, DeviceRequest } from './protocol.ts';

const answerTimeoutMs = 5000;

/** A request for the simulated devices, as it comes over the control socket. */
export interface DevicesRequest {
  readonly room: 'devices';
  readonly action: 'list' | 'control';
  readonly device?: unknown;
  readonly verb?: unknown;
  readonly values?: unknown;
}

export const isDevicesRequest = (request: object): request is DevicesRequest =>
  'room' in request && request.room === 'devices';

/** Questions about simulated devices that the child has not answered yet. */
export class DeviceDesk {
  readonly #clock: Clock;
  readonly #open = new Map<number, (answer: DeviceAnswer) => void>();
  #lastId = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Asks by `send`; yields what is to be shown.
   *
   * @throws HoldfastError `usage` when it cannot be done, `flow-engine-down` when the flow engine does not answer.
   */
  async *ask(
    request: DevicesRequest,
    send: (order: { readonly kind: 'devices'; readonly id: number; readonly request: DeviceRequest }) => void,
  ): AsyncGenerator<object> {
    const asked = readRequest(request);
    const id = ++this.#lastId;
    const answer = await new Promise<DeviceAnswer | undefined>((resolve) => {
      const timer = this.#clock.after(answerTimeoutMs, () => settle(undefined));
      const settle = (given: DeviceAnswer | undefined) => {
        timer.cancel();
        this.#open.delete(id);
        resolve(given);
      };
      this.#open.set(id, settle);
      send({ kind: 'devices', id, request: asked });
    });
    if (answer === undefined) throw new HoldfastError('flow-engine-down', 'the flow engine does not answer; ask again');
    if ('error' in answer) throw new HoldfastError('usage', answer.error);
    yield* answer.items;
  }

  /** What the child says. */
  hear(id: number, answer: DeviceAnswer): void {
    this.#open.get(id)?.(answer);
  }
}

function readRequest({ action, device, verb, values }: DevicesRequest): DeviceRequest {
  if (action === 'list') return { action };
  const isText = (value: unknown): value is string => typeof value === 'string';
  if (!isText(device) || !isText(verb) || !Array.isArray(values) || !values.every(isText)) {
    throw new HoldfastError('usage', 'a device, what is to be done with it, and a list of values are needed');
  }
  return { action: 'control', device, verb, values };
}
