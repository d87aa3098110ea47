/** The checks of single values; they run for every report, so they read character codes instead of regular expressions. */

const isSerialCode = new Uint8Array(128);
for (const character of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-') {
  isSerialCode[character.charCodeAt(0)] = 1;
}

/** True for `[A-Za-z0-9_-]{1,64}`: what may become part of a topic and a queue name. */
export function isSerial(value: unknown): value is string {
  if (typeof value !== 'string') return false;
  const { length } = value;
  if (length === 0 || length > 64) return false;
  for (let index = 0; index < length; index++) {
    const code = value.charCodeAt(index);
    if (code > 127 || isSerialCode[code] === 0) return false;
  }
  return true;
}

const isDigit = (code: number): boolean => code >= 48 && code <= 57;

/** True for a finite number, or a string of one in decimal (`-12.5`; no exponent, no white space). */
export function isQuantity(value: unknown, mayBeNegative: boolean): boolean {
  if (typeof value === 'number') return Number.isFinite(value) && (mayBeNegative || value >= 0);
  if (typeof value !== 'string') return false;
  const negative = value.charCodeAt(0) === 45;
  let digits = 0;
  let points = 0;
  for (let index = negative ? 1 : 0; index < value.length; index++) {
    const code = value.charCodeAt(index);
    if (isDigit(code)) digits++;
    else if (code === 46 && points === 0) points++;
    else return false;
  }
  if (digits === 0) return false;
  // Up to 300 digits a value is finite; beyond, and for a negative one, the number itself decides.
  if (digits < 300 && !negative) return true;
  const number = Number(value);
  return Number.isFinite(number) && (mayBeNegative || number >= 0);
}

const timeShape = /^\d{4}-\d{1,2}-\d{1,2} \d{1,2}:\d{1,2}:\d{1,2}$/;

/** True for `YYYY-MM-DD HH:mm:ss`, one-digit fields allowed. Whether there is such a date is not asked. */
export function isTime(value: unknown): boolean {
  if (typeof value !== 'string') return false;
  if (value.length !== 19) return value.length < 19 && timeShape.test(value);
  for (let index = 0; index < 19; index++) {
    const code = value.charCodeAt(index);
    const expected = separators[index]!;
    if (expected === 0 ? !isDigit(code) : code !== expected) return false;
  }
  return true;
}

/** The separator at each place of a time with two-digit fields; 0 where a digit stands. */
const separators = Uint8Array.from([...'0000-00-00 00:00:00'].map((c) => (c === '0' ? 0 : c.charCodeAt(0))));
