import { askGateway, type ControlRequest } from '../control-socket.ts';
import { describeError } from '../errors.ts';
import type { Clock } from '../platform/index.ts';

/** The demo flow's simulated panel: its button asks whether printer-0001 may print, its relay follows when it may. */
const panel = { device: 'gpio:panel', button: '17', relay: '27' } as const;
const heldMs = 150;
const lookEveryMs = 100;
/** A machine waits no longer for an answer when there is a lease. */
const patienceMs = 3000;

/** Presses the button of the demo's flow, and resolves with what became of it, in words. Never rejects. */
export async function pressPrintButton(options: { dataFolder: string; clock: Clock }): Promise<string> {
  const { dataFolder, clock } = options;
  const act = async (verb: string, line: string): Promise<string> => {
    const request = { room: 'devices', action: 'control', device: panel.device, verb, values: [line] };
    for await (const item of askGateway(dataFolder, request as ControlRequest)) {
      return String((item as { result?: unknown }).result);
    }
    return '';
  };
  try {
    await act('press', panel.button);
    await clock.sleep(heldMs);
    await act('release', panel.button);
    for (const endMs = clock.monotonicMs() + patienceMs; clock.monotonicMs() < endMs; await clock.sleep(lookEveryMs)) {
      if (/: 1 /.test(await act('state', panel.relay))) return 'the print button was pressed: granted, the relay is on';
    }
    return 'the print button was pressed: the relay stays off; the flow in the editor says why';
  } catch (error) {
    return `the print button cannot be pressed: ${describeError(error)}`;
  }
}
