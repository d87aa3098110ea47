import type { MachineChannel } from '../protocols/machines/index.ts';
import type { Reply } from './types.ts';

interface Recent {
  readonly channel: MachineChannel;
  readonly state: string | undefined;
  readonly reply: Reply;
}

/** More machines than these within one second are written to one by one. */
const capacity = 4096;

/**
 * Replies of the present second. That a report is stored is said to a machine in the same words until its state or the
 * second changes: to make them is dearer than to look them up. Nobody may change what is handed out.
 */
export class RecentReplies {
  readonly #bySerial = new Map<string, Recent>();
  #time = '';

  /** The reply to a stored report, by `write` when the last one to that machine was another. */
  obtain(
    words: { channel: MachineChannel; serial: string; state: string | undefined; time: string },
    write: () => Reply,
  ): Reply {
    const { channel, serial, state, time } = words;
    if (time !== this.#time) {
      this.#bySerial.clear();
      this.#time = time;
    }
    const recent = this.#bySerial.get(serial);
    if (recent !== undefined && recent.channel === channel && recent.state === state) return recent.reply;
    const reply = write();
    if (recent !== undefined || this.#bySerial.size < capacity) this.#bySerial.set(serial, { channel, state, reply });
    return reply;
  }
}
