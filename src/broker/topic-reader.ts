const longest = 64;

/**
 * Reads the topics of a connection's packets. A machine names the same one again and again: comparing its bytes is
 * cheaper than making a text of them, and the same text is found faster in a map than an equal one.
 */
export class TopicReader {
  /** So short that the engine keeps it among its objects, where it costs no piece of memory of its own. */
  #bytes = new Uint8Array(0);
  #text = '';

  /** The topic that stands in `buffer` from `from` up to `to`, a character per byte. */
  read(buffer: Buffer, from: number, to: number): string {
    const known = this.#bytes;
    if (to - from === known.length) {
      let same = 0;
      while (same < known.length && known[same] === buffer[from + same]) same++;
      if (same === known.length) return this.#text;
    }
    const text = buffer.toString('latin1', from, to);
    if (to - from > longest) return text;
    const bytes = new Uint8Array(to - from);
    for (let at = 0; at < bytes.length; at++) bytes[at] = buffer[from + at]!;
    this.#bytes = bytes;
    this.#text = text;
    return text;
  }
}
