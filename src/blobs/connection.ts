import { Socket } from "node:net";
import type { Stream } from "node:stream";

/**
 * Whether a stream is a connection, or what is received or sent over one, such as an HTTP message. Of such it is
 * known who else may hold a chunk: nobody. What it emits is its receiver's alone, and what was written to it and
 * called back is with the kernel. Any other stream may keep chunks for later, or get them from somebody who does.
 */
export function isConnection(stream: Stream & { readonly socket?: unknown }): boolean {
  return stream instanceof Socket || stream.socket instanceof Socket;
}

// Bytes. Below, freeing costs more than it gains.
const WORTH_FREEING = 16 * 1024;

/**
 * Frees the memory of a chunk that nobody will look at again. The garbage collector would do so later: for a
 * body of a gigabyte it then runs a dozen times, and lets a hundred megabytes pile up.
 */
export function free(chunk: Uint8Array): void {
  const { buffer } = chunk;
  if (chunk.length < WORTH_FREEING || chunk.length !== buffer.byteLength) return;
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}
