/** Numbers that look random, uniform in [0, 1), and are the same ones for the same seed. */
export type Random = () => number;

/** A sequence of its own for each seed (a whole number of 32 bits); for simulations, never for secrets. */
export function seededRandom(seed: number): Random {
  // Mulberry32: a counter and a mixing function, every step of which is reversible, so no state is met twice.
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A number between two, rounded to `decimals`. */
export function between(random: Random, least: number, most: number, decimals = 0): number {
  const unit = 10 ** decimals;
  return Math.round((least + random() * (most - least)) * unit) / unit;
}

/** One of a list that is not empty. */
export function pick<T>(random: Random, list: readonly T[]): T {
  return list[Math.floor(random() * list.length)]!;
}
