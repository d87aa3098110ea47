/** A quarter of an hour: offsets from UTC change only on its multiples, so one question to Intl serves it. */
const bucketMs = 900_000;
const dayMs = 86_400_000;
const timePattern = /^(\d{4})-(\d{1,2})-(\d{1,2}) (\d{1,2}):(\d{1,2}):(\d{1,2})$/;

/** Reads the local time of an instant, ms since 1970 UTC, as if it were UTC. */
type LocalClock = (wallMs: number) => number;

/**
 * Local time of the site as the wire has it, `YYYY-MM-DD HH:mm:ss`, from and to UTC. The engine is asked once per quarter
 * of an hour of the times that occur, and the text is made once per second: both are used for every report.
 */
export class SiteTime {
  readonly #localClock: LocalClock;
  readonly #offsets = new Map<number, number>();
  #second = Number.NaN;
  #text = '';

  /** `timezone` is an IANA name (`Asia/Shanghai`). Throws a RangeError for one that is unknown. */
  constructor(timezone: string) {
    this.#localClock = isOwnZone(timezone) ? ownClock : intlClock(timezone);
  }

  /** The site time of an instant in ms since 1970 UTC. */
  format(wallMs: number): string {
    const second = Math.floor(wallMs / 1000);
    if (second !== this.#second) {
      this.#text = new Date(wallMs + this.#offset(wallMs)).toISOString().slice(0, 19).replace('T', ' ');
      this.#second = second;
    }
    return this.#text;
  }

  /**
   * The instant of a site time in ms since 1970 UTC; one-digit fields are accepted. A time that occurs twice is the
   * earlier; one that a clock change leaves out is read with the offset before the change. undefined for what is no
   * time or no date (30 February).
   */
  parse(text: string): number | undefined {
    const parts = timePattern.exec(text)?.slice(1).map(Number);
    if (parts === undefined) return undefined;
    const [year, month, day, hour, minute, second] = parts as [number, number, number, number, number, number];
    const date = new Date(0);
    date.setUTCFullYear(year, month - 1, day);
    if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
    if (hour > 23 || minute > 59 || second > 59) return undefined;
    const asUtc = date.getTime() + ((hour * 60 + minute) * 60 + second) * 1000;
    const before = this.#offset(asUtc - dayMs);
    const earlier = Math.max(before, this.#offset(asUtc + dayMs));
    const later = Math.min(before, this.#offset(asUtc + dayMs));
    if (this.#offset(asUtc - earlier) === earlier) return asUtc - earlier;
    if (this.#offset(asUtc - later) === later) return asUtc - later;
    return asUtc - before;
  }

  /** Milliseconds by which the site's clocks are ahead of UTC at an instant. */
  #offset(wallMs: number): number {
    const bucket = Math.floor(wallMs / bucketMs);
    const cached = this.#offsets.get(bucket);
    if (cached !== undefined) return cached;
    const start = bucket * bucketMs;
    const offset = this.#localClock(start) - start;
    // Times come from machines whose clocks may say anything: the cache must not grow with them.
    if (this.#offsets.size >= 4096) this.#offsets.clear();
    this.#offsets.set(bucket, offset);
    return offset;
  }
}

/**
 * Lets the process live in the site's time zone, where its own Date answers instead of Intl, which loads 7 MiB of locale
 * data for the one question. To be called before any `SiteTime` is made; for a program that has one site.
 */
export function liveInZone(timezone: string): void {
  process.env.TZ = timezone;
}

/** Short names (`PRC`) the engine compares with the system's zones, which a small box may not have: they go to Intl. */
function isOwnZone(timezone: string): boolean {
  return timezone === process.env.TZ && timezone.includes('/') && Intl.supportedValuesOf('timeZone').includes(timezone);
}

function ownClock(wallMs: number): number {
  const own = new Date(wallMs);
  return utcOf(
    own.getFullYear(),
    own.getMonth() + 1,
    own.getDate(),
    own.getHours(),
    own.getMinutes(),
    own.getSeconds(),
  );
}

function intlClock(timezone: string): LocalClock {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  return (wallMs) => {
    const part: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(wallMs)) part[type] = Number(value);
    return utcOf(part.year!, part.month!, part.day!, part.hour!, part.minute!, part.second!);
  };
}

function utcOf(year: number, month: number, day: number, hour: number, minute: number, second: number): number {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.setUTCHours(hour, minute, second);
}
