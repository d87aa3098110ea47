import { pino } from 'pino';

/** Severities, least first. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** Structured log: an object of facts first, then a sentence. Never give it a password, a token or a query string. */
export interface Logger {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
  /** A logger whose lines all carry `facts`. */
  child(facts: object): Logger;
}

/** Logs JSON lines to standard output, or to the file descriptor `destination`. */
export function createLogger(level: LogLevel, destination: number | string = 1): Logger {
  return pino({ level, base: null }, pino.destination({ dest: destination, sync: true }));
}

/** Logs nothing. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
};
