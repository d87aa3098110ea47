import type { DecodedRecord, LaneName } from '../spool/index.ts';
import type { LaneQueue } from './lane-queue.ts';

const roundsPerWeight = 8;

/**
 * Whose turn it is: the most urgent lane first, each for as many reports in a round as its weight allows, so that
 * none starves.
 */
export class Scheduler {
  readonly #lanes: readonly LaneQueue[];

  /** `lanes`, most urgent first. */
  constructor(lanes: readonly LaneQueue[]) {
    this.#lanes = lanes;
  }

  /** The next report of the lanes that `isOpen` lets through; undefined when none has one at hand. */
  next(isOpen: (lane: LaneName) => boolean): { lane: LaneName; record: DecodedRecord } | undefined {
    for (let round = 0; round < 2; round++) {
      let waiting = false;
      for (const lane of this.#lanes) {
        if (lane.isEmpty || !isOpen(lane.name)) continue;
        waiting = true;
        if (lane.credit <= 0) continue;
        lane.credit--;
        const record = lane.take();
        if (record !== undefined) return { lane: lane.name, record };
      }
      if (!waiting) return undefined;
      for (const lane of this.#lanes) lane.credit = lane.weight * roundsPerWeight;
    }
    return undefined;
  }
}
