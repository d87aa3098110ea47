/**
 * Serial ports: bytes in and out of a device that may be pulled out at any moment.
 *
 * From below to above: a `SerialPort` is one opening of a device (a tty, a TCP converter, or a simulated one; `openers`
 * pick by URI); a `LastingPort` opens it again and again and follows its name; a `SerialLine` cuts its bytes into frames
 * and shares it among nodes; `SerialLines` knows the lines of this process.
 *
 * Invariants: a frame comes out once and whole, or not at all: what was half read when a port went away is thrown away,
 * never joined with what comes later. Every queue and every frame is bounded, and what is dropped is counted.
 * Failure: a missing driver or device is a state (`LineState`), and a refused call a `SerialError` with a code; nothing
 * here throws out of a timer or an event.
 */
export { SerialError, type SerialErrorCode, serialErrorCodes } from './errors.ts';
export type { DropReason, Framer, FrameSink, Framing } from './framing/framing.ts';
export { createFramer, describeFraming, encodeFrame, validateFraming } from './framing/index.ts';
export type { LineState } from './lasting-port.ts';
export { LastingPort } from './lasting-port.ts';
export { listPorts, type PresentPort } from './list-ports.ts';
export { createPort, type ParsedUri, parseUri } from './open.ts';
export {
  defaultSettings,
  type ModemInputs,
  type ModemOutputs,
  type PortListener,
  type SerialPort,
  type SerialSettings,
} from './port.ts';
export { ScriptedDevice } from './scripted-device.ts';
export { LineCounters, type LineUser, SerialLine, type SerialLineOptions } from './serial-line.ts';
export { type LineLease, type LineRequest, SerialLines, serialLines } from './serial-lines.ts';
export { type SimulatedPort, simulated } from './simulated.ts';
export { nodeTimers, type Timers } from './timers.ts';
