import { describeError } from '../errors.ts';
import type { Clock } from '../platform/index.ts';
import { type Control, listen } from './controls.ts';
import { Demo, type DemoOptions } from './demo.ts';
import { type Output, Screen, summary, welcome } from './screen.ts';

/** What a run of the demo is made of. */
export interface RunOptions extends Omit<DemoOptions, 'onEvent' | 'onFailure'> {
  readonly input: NodeJS.ReadStream;
  readonly output: Output;
  /** Ends it like `quit`. */
  readonly stopSignal: AbortSignal;
  /** Ends by itself after so long. */
  readonly seconds: number | undefined;
}

const showEveryMs = { terminal: 400, lines: 1000 };
/** How long the rest may take to arrive at the end, while the uplink is up. */
const drainMs = 30_000;

/** Runs the demo on a terminal or on pipes; resolves with the exit code: 1 when it failed or a report was lost. */
export async function runDemo(options: RunOptions): Promise<number> {
  const { clock, input, output, seconds, stopSignal } = options;
  const screen = new Screen(output);
  const print = (text: string) => screen.print(text);
  let quits = 0;
  let failure: string | undefined;
  const demo = new Demo({
    ...options,
    onEvent: print,
    onFailure: (reason) => {
      failure = reason;
    },
  });
  print('Holdfast demo: starting a gateway, a centre and three simulated printers on this computer …');
  let addresses: Awaited<ReturnType<Demo['start']>>;
  try {
    addresses = await demo.start();
  } catch (error) {
    await demo.stop();
    throw error;
  }
  print(welcome(addresses));
  print(hint(input.isTTY));
  const stopListening = listen(input, (control) => {
    if (control === 'quit') quits++;
    else obey(demo, control, print, input.isTTY);
  });
  stopSignal.addEventListener('abort', () => quits++, { once: true });

  const everyMs = output.isTTY ? showEveryMs.terminal : showEveryMs.lines;
  const startedMs = clock.monotonicMs();
  const isOver = () => seconds !== undefined && clock.monotonicMs() - startedMs >= seconds * 1000;
  while (quits === 0 && failure === undefined && !isOver()) {
    // First the pause: right after the start the uplink is only about to be there.
    await waitFor(clock, everyMs, () => quits > 0 || failure !== undefined || isOver());
    screen.show(await demo.state());
  }
  screen.endLive();
  if (failure !== undefined) print(failure);
  await demo.stopMachines();
  if (!demo.isUplinkCut && failure === undefined) await drain(demo, clock, screen, everyMs, () => quits > 1);
  const result = await demo.stop();
  stopListening();
  print(summary(result));
  return failure === undefined && result.problems.length === 0 ? 0 : 1;
}

/** Does what was asked, and says so. */
function obey(demo: Demo, control: Control, print: (text: string) => void, isTerminal: boolean): void {
  if (control === 'help') {
    print(hint(isTerminal));
  } else if (control === 'kill') {
    print('killing the gateway (kill -9)');
    void demo.killGateway();
  } else if (control === 'authorization') {
    void demo.switchAuthorization().then(print, (error: unknown) => print(describeError(error)));
  } else if (control === 'button') {
    void demo.pressPrintButton().then(print);
  } else if (control === 'cut' || (control === 'uplink' && !demo.isUplinkCut)) {
    demo.cutUplink();
    print('uplink cut: reports wait on disk');
  } else {
    demo.restoreUplink();
    print('uplink restored: what has waited goes to the centre');
  }
}

const hint = (isTerminal: boolean): string =>
  isTerminal
    ? 'Keys: u cuts or restores the uplink, k kills the gateway (kill -9) and starts it again, a takes the authorization of a printer away or gives it back, b presses the print button of the flow, q quits.'
    : 'Commands, one a line: cut, restore, kill (kill -9 of the gateway, which starts again), authorization (taken from a printer, or given back), button (of the flow: asks whether it may print), quit.';

/** Waits until the last report has arrived, at most so long, and not for somebody who asks twice to quit. */
async function drain(
  demo: Demo,
  clock: Clock,
  screen: Screen,
  everyMs: number,
  isImpatient: () => boolean,
): Promise<void> {
  const untilMs = clock.monotonicMs() + drainMs;
  while (clock.monotonicMs() < untilMs && !isImpatient()) {
    const state = await demo.state();
    screen.show(state);
    if (state.gateway?.ledger.pending === 0) break;
    await waitFor(clock, everyMs, isImpatient);
  }
  screen.endLive();
}

/** Keeps the process alive meanwhile. */
async function waitFor(clock: Clock, ms: number, isEnough: () => boolean): Promise<void> {
  const untilMs = clock.monotonicMs() + ms;
  while (clock.monotonicMs() < untilMs && !isEnough()) await clock.sleep(Math.min(50, ms));
}
