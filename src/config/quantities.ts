const sizeUnits = new Map([
  ['B', 1],
  ['KiB', 2 ** 10],
  ['MiB', 2 ** 20],
  ['GiB', 2 ** 30],
  ['TiB', 2 ** 40],
]);

const durationUnits = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

/** Bytes of `512MiB`, `1.5GiB` or `4096B`; undefined when it is no size. Only binary units, so that nobody has to guess. */
export function parseSize(text: string): number | undefined {
  return parse(text, sizeUnits);
}

/** Milliseconds of `250ms`, `3s`, `10m`, `72h` or `30d`; undefined when it is no duration. */
export function parseDuration(text: string): number | undefined {
  return parse(text, durationUnits);
}

/** The shortest exact way to write a number of bytes. */
export function formatSize(bytes: number): string {
  return format(bytes, sizeUnits);
}

/** The shortest exact way to write a number of milliseconds. */
export function formatDuration(milliseconds: number): string {
  return format(milliseconds, durationUnits);
}

function parse(text: string, units: Map<string, number>): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,6})?) ?([A-Za-z]+)$/.exec(text.trim());
  const unit = match && units.get(match[2]!);
  if (!match || !unit) return undefined;
  const value = Number(match[1]) * unit;
  return Number.isSafeInteger(value) ? value : undefined;
}

function format(value: number, units: Map<string, number>): string {
  let best = '';
  for (const [unit, factor] of units) {
    const text = `${value / factor}${unit}`;
    if (value % factor === 0 && (best === '' || value >= factor)) best = text;
  }
  return best;
}
