/** A pin of a board's header. */
export interface HeaderPin {
  /** Number on the header, from 1. */
  readonly pin: number;
  readonly kind: 'gpio' | 'power' | 'ground';
  /** `GPIO17`, `3V3`, `GND`. */
  readonly name: string;
  /** Number of the line on the board's chip; only of `gpio` pins. */
  readonly line?: number;
  /** What else the pin can be, the usual use first. */
  readonly functions?: readonly string[];
}

/** A serial port that a board offers. */
export interface BoardSerialPort {
  readonly path: string;
  readonly note: string;
}

/** A kind of computer, as data. */
export interface BoardProfile {
  /** What the configuration calls it. */
  readonly name: string;
  readonly title: string;
  /** It is this board when /proc/device-tree/model begins with one of these. */
  readonly models: readonly string[];
  /** Labels of the GPIO chip whose lines are on the header, across kernels; none: the board has no header. */
  readonly chipLabels: readonly string[];
  /** What `auto:` opens, when it is not to look at the hardware. */
  readonly uri?: string;
  readonly pins: readonly HeaderPin[];
  readonly serialPorts: readonly BoardSerialPort[];
  /** What integrators should know. */
  readonly notes: readonly string[];
}
