/** What can go wrong with a serial port, and what to do then; docs/serial.md has the same table. */
export const serialErrorCodes = {
  'invalid-uri': 'write the port as tty:/dev/…, tcp:host:port or sim:name',
  'invalid-settings': 'correct the setting that the text names',
  'invalid-framing': 'correct the framing that the text names',
  'port-missing': 'plug the device in, or choose a port from the list',
  'port-busy': 'end the other program that has the port open',
  'port-denied': 'add the user to the group dialout and start again',
  'driver-missing': 'install the optional package serialport for this Node.js and architecture',
  'port-failed': 'read the text of the system; check that the path is a serial port and takes these settings',
  'port-lost': 'the device was unplugged or the connection ended; it is opened again by itself',
  'port-not-open': 'the port did not come back in time; send again, or let the node wait longer',
  'port-closed': 'the flow was stopped; send again when it runs',
  conflict: 'give the nodes that share a port the same settings',
  'queue-full': 'send more slowly, or check why the port takes nothing',
  'write-stuck': 'the device takes no data; check flow control and cable',
  timeout: 'the device did not answer in time; check address, speed and cable, or wait longer',
  'frame-dropped': 'check framing, speed and the longest frame allowed',
  unsupported: 'this kind of port cannot do that',
  'not-json': 'the frame is not JSON; its text is in the message',
  'not-encodable': 'the payload cannot be written in this form or encoding',
} as const;

export type SerialErrorCode = keyof typeof serialErrorCodes;

/** The one error of this driver; branch on `code`, never on the text. */
export class SerialError extends Error {
  readonly code: SerialErrorCode;

  constructor(code: SerialErrorCode, text: string, cause?: unknown) {
    super(text, cause === undefined ? undefined : { cause });
    this.name = 'SerialError';
    this.code = code;
  }
}

/** `error` itself when it is a `SerialError`, else one with `code` around it. */
export function asSerialError(error: unknown, code: SerialErrorCode, subject: string): SerialError {
  if (error instanceof SerialError) return error;
  return new SerialError(code, `${subject}: ${error instanceof Error ? error.message : String(error)}`, error);
}
