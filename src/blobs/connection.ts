import { Socket } from "node:net";
import type { Stream } from "node:stream";

/**
 * Whether a stream is a connection, or what is received or sent over one, such as an HTTP message. Of such it is
 * known who else may hold a chunk: nobody. What it emits is its receiver's alone, and what was written to it and
 * called back is with the kernel. Any other stream may keep chunks for later, or get them from somebody who does.
 */
export function isConnection(
  stream: Stream & { readonly socket?: unknown; readonly stream?: unknown },
): boolean {
  // Messages of HTTP/2, which alone have a stream, come in slices of what was received for all of a connection.
  return stream instanceof Socket || (stream.socket instanceof Socket && stream.stream === undefined);
}
