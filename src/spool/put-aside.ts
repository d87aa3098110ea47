/**
 * Since when a record stands aside: the first word of its reason, before what the centre said. The wall time is for people;
 * the window time (`WindowTime`) is what its age is told by, since a box may start with a wrong clock that is set later.
 * An earlier version wrote the wall time alone.
 */

/** `windowMs`: see `Spool.windowMs`. */
export const asideReason = (now: { readonly wallMs: number; readonly windowMs: number }, text: string): string =>
  `${Math.floor(now.wallMs)}@${Math.floor(now.windowMs)} ${text}`;

/** For how long a record with this reason has stood aside, in ms, and the rest of the reason; `ageMs` 0 when it does not say. */
export function readAsideReason(
  reason: string | undefined,
  now: { readonly wallMs: number; readonly windowMs: number },
): { readonly ageMs: number; readonly text: string } {
  const [, wall, window, text = ''] = /^(\d+)(?:@(\d+))? (.*)$/s.exec(reason ?? '') ?? [];
  if (wall === undefined) return { ageMs: 0, text: reason ?? '' };
  return { ageMs: window === undefined ? now.wallMs - Number(wall) : now.windowMs - Number(window), text };
}
