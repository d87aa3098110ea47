import type { LogReader } from './log-reader.ts';
import type { RecordPosition } from './record.ts';
import type { Segment } from './segment.ts';

/** Where open records of one segment stand. */
interface Places {
  readonly epoch: number;
  readonly bySequence: ReadonlyMap<number, RecordPosition>;
  /** Every open record of the segment whose sequence is between these is among them. */
  readonly from: number;
  readonly until: number;
}

/** Keeps memory small where segments are large and reports are not. */
const maxPlaces = 16_384;

/**
 * Finds records by sequence in a log whose sequences grow. A segment is read through once, and the places of its open
 * records are kept until others are asked about: a client that has lost count asks about thousands in a row.
 */
export class SegmentPlaces {
  readonly #createReader: (ordinal: number) => LogReader;
  #known: Promise<Places> | undefined;

  constructor(createReader: (ordinal: number) => LogReader) {
    this.#createReader = createReader;
  }

  /** undefined when no open record has this sequence. `isComplete`: nothing will be added to the segment. */
  async find(segment: Segment, sequence: number, isComplete: boolean): Promise<RecordPosition | undefined> {
    for (;;) {
      const known = this.#known;
      const places = await known?.catch(() => undefined);
      const isKnown = places?.epoch === segment.header.epoch && sequence >= places.from && sequence <= places.until;
      if (isKnown) return places.bySequence.get(sequence);
      // Who asked at the same time has begun to read meanwhile.
      if (this.#known !== known) continue;
      const reading = this.#read(segment, sequence, isComplete);
      this.#known = reading;
      return (await reading).bySequence.get(sequence);
    }
  }

  async #read({ header }: Segment, wanted: number, isComplete: boolean): Promise<Places> {
    const { epoch } = header;
    const bySequence = new Map<number, RecordPosition>();
    let from = 0;
    let until = 0;
    const reader = this.#createReader(header.firstOrdinal);
    try {
      for (;;) {
        const records = await reader.read(256);
        for (const { epoch: own, at, length, ordinal, sequence } of records) {
          if (own !== epoch) return { epoch, bySequence, from, until: Number.POSITIVE_INFINITY };
          if (bySequence.size >= maxPlaces) {
            if (until >= wanted) return { epoch, bySequence, from, until };
            const oldest = bySequence.keys().next().value!;
            bySequence.delete(oldest);
            from = oldest + 1;
          }
          bySequence.set(sequence, { epoch, at, length, ordinal });
          until = sequence;
        }
        if (records.length === 0) {
          return { epoch, bySequence, from, until: isComplete ? Number.POSITIVE_INFINITY : until };
        }
      }
    } finally {
      reader.close();
    }
  }
}
