/**
 * Plain connections that are read into one buffer of the process's, from which each piece is copied into a slab.
 *
 * Left to itself Node takes 64 KiB from the system for every read and shrinks them to what came: two system calls and
 * some page faults a read, and for short reads a small piece of the allocator's heap that lives until the next
 * collection. After a burst that heap was 6 MiB larger, for good.
 *
 * Node can read so (`onread` of net.Socket), but offers it to clients only. An accepted connection is therefore
 * given to a second socket; its handle is not documented. Where there is none, the connection is left as it is.
 */
import { Socket } from 'node:net';

const readBytes = 65_536;
const slabBytes = 65_536;

interface Handle {
  useUserBuffer?: (buffer: Uint8Array) => void;
}
type WithHandle = { _handle?: Handle | null };
type SocketOptions = ConstructorParameters<typeof Socket>[0];

/** Filled by a read and copied from before the next: reading is not interrupted between the two. */
let shared: Buffer | undefined;
let slab = Buffer.alloc(0);
let used = 0;

/** A copy of `piece` in a slab that it shares with those before and after it. */
function keep(piece: Buffer): Buffer {
  if (piece.length > slab.length - used) {
    slab = Buffer.allocUnsafeSlow(slabBytes);
    used = 0;
  }
  const copy = slab.subarray(used, used + piece.length);
  piece.copy(copy);
  used += piece.length;
  return copy;
}

/**
 * The same connection as a socket that is read so and behaves as the given one would: `data`, `end`, `pause()`, `resume()`.
 * For a connection that was just accepted and not read yet (`pauseOnConnect`); its old socket is closed without it.
 */
export function readThroughSlabs(accepted: Socket): Socket {
  const old = accepted as unknown as WithHandle;
  const handle = old._handle;
  if (typeof handle?.useUserBuffer !== 'function') {
    accepted.resume();
    return accepted;
  }
  old._handle = null;
  shared ??= Buffer.allocUnsafeSlow(readBytes);
  const options = {
    handle,
    allowHalfOpen: accepted.allowHalfOpen,
    onread: {
      buffer: shared,
      callback: (length: number, buffer: Buffer): boolean => {
        socket.emit('data', keep(buffer.subarray(0, length)));
        return true;
      },
    },
  };
  const socket: Socket = new Socket(options as unknown as SocketOptions);
  accepted.destroy();
  return socket;
}
