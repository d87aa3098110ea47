import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { GpioError } from './errors.ts';
import { type GpiodTools, type Request, toolError } from './gpiod-tools.ts';
import { pause, type Timers } from './timers.ts';

const heldDeadlineMs = 5000;
const pollMs = 20;
const endDeadlineMs = 2000;

export interface HeldOptions {
  readonly child: ChildProcessWithoutNullStreams;
  readonly tools: GpiodTools;
  readonly request: Request;
  readonly tool: 'gpiomon' | 'gpioset';
  readonly timers: Timers;
  /** Gets the lines that were printed meanwhile. */
  line?(text: string): void;
}

/**
 * Waits until a program of libgpiod has its line. Version 2 says so by its banner or prompt; version 1 says nothing
 * until the first edge, so gpioinfo is asked.
 *
 * @throws GpioError when it ends instead
 */
export async function waitUntilHeld({ child, tools, request, tool, timers, line }: HeldOptions): Promise<void> {
  const version = await tools.version();
  let said = '';
  let complaint = '';
  let failure: Error | undefined;
  const out = (chunk: Buffer) => {
    said += chunk;
  };
  const err = (chunk: Buffer) => {
    complaint = (complaint + chunk).slice(-2000);
  };
  child.once('error', (error) => {
    failure = error;
  });
  child.stdout.on('data', out);
  child.stderr.on('data', err);
  try {
    const deadline = timers.now() + heldDeadlineMs;
    for (;;) {
      if (failure)
        throw new GpioError('driver-missing', `${tool} did not start: ${failure.message}`, { cause: failure });
      if (child.exitCode !== null || child.signalCode !== null) throw toolError(tool, complaint || 'it ended at once');
      if (version === 2 ? /Monitoring line|gpioset> /.test(said) : await isHeld(tools, request)) break;
      if (timers.now() > deadline) throw new GpioError('no-gpio', `${tool} did not get line ${request.line} in time`);
      await pause(timers, pollMs);
    }
    for (const text of said.split('\n')) line?.(text);
  } finally {
    child.stdout.off('data', out);
    child.stderr.off('data', err);
    child.stderr.resume();
  }
}

/** Ends a program and waits until it is gone, so that the line is free. */
export function endChild(child: ChildProcessWithoutNullStreams): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) {
      resolve();
      return;
    }
    const hard = setTimeout(() => child.kill('SIGKILL'), endDeadlineMs);
    child.once('exit', () => {
      clearTimeout(hard);
      resolve();
    });
    child.kill('SIGTERM');
  });
}

/** Only after the caller has seen the line free: whoever has it now is the program that was started. */
async function isHeld(tools: GpiodTools, { chip, line }: Request): Promise<boolean> {
  const lines = await tools.lines(chip);
  return lines.some((other) => other.line === line && other.usedBy !== undefined);
}
