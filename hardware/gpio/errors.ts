/** Why a line cannot be used; `docs/gpio.md` explains each with the next step, and a test compares the two lists. */
export const gpioErrors = {
  'no-gpio': 'This computer has no such GPIO chip, or its kernel does not offer it this way.',
  'driver-missing': 'The software that reaches the chip is not installed or does not load.',
  denied: 'The process may not use the chip.',
  'no-such-line': 'The chip has no line of that number or name.',
  busy: 'Somebody else uses the line.',
  unsupported: 'This driver cannot do what is asked for.',
  lost: 'The line went away while it was open.',
  'invalid-settings': 'A setting of the line or the URI of the chip is not understood.',
} as const;

export type GpioErrorCode = keyof typeof gpioErrors;

/** An error of this room: branch on `code`, the text says what to do next. */
export class GpioError extends Error {
  readonly code: GpioErrorCode;

  constructor(code: GpioErrorCode, text: string, { cause }: { cause?: unknown } = {}) {
    super(text, cause === undefined ? undefined : { cause });
    this.name = 'GpioError';
    this.code = code;
  }
}

/** Whatever was thrown, as a `GpioError`; what is not one becomes `code`. */
export function asGpioError(error: unknown, code: GpioErrorCode, what: string): GpioError {
  if (error instanceof GpioError) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new GpioError(code, `${what}: ${text}`, { cause: error });
}
