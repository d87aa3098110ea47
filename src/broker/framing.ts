/** Types of MQTT packets that are told apart before aedes sees them. */
export const packetType = { connect: 1, publish: 3, puback: 4, subscribe: 8 } as const;

/**
 * The length of the packet that begins at `at`, its fixed header included. 0 when its header goes on beyond the
 * buffer, -1 when its length is written with more than four bytes.
 */
export function lengthOfPacket(buffer: Uint8Array, at: number): number {
  let length = 0;
  for (let index = 1; index <= 4; index++) {
    const byte = buffer[at + index];
    if (byte === undefined) return 0;
    length += (byte & 127) << (7 * (index - 1));
    if (byte < 128) return 1 + index + length;
  }
  return -1;
}
