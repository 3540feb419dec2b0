import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2Server, ServerHttp2Session, ServerHttp2Stream } from "node:http2";

/*
 * What differs in HTTP/2 (RFC 9113), where a request is a stream among others on its connection: whatever ends
 * one must leave the others alone. node:http2 shows each as a request and a response of node:http's kind.
 */

type Message = IncomingMessage | ServerResponse;

/** The stream that a message belongs to; `undefined` in HTTP/1.1, where it has the connection to itself. */
export function streamOf(message: Message): ServerHttp2Stream | undefined {
  return (message as { readonly stream?: ServerHttp2Stream }).stream;
}

// RFC 9113 §7.
const INTERNAL_ERROR = 0x2;
const CANCEL = 0x8;

/** Whether there is nobody any more who could be answered. */
export function isGone(req: IncomingMessage, res: ServerResponse): boolean {
  const stream = streamOf(res);
  return stream === undefined ? res.destroyed || req.socket.destroyed : stream.closed || stream.destroyed;
}

/** Whether a stream ended before its answer did: node:http2 then ends the answer too, as if all were well. */
export function wasReset(res: ServerResponse): boolean {
  return streamOf(res)?.aborted === true;
}

/** Breaks off an answer that has begun, so that no client takes it for whole. */
export function breakOff(req: IncomingMessage, res: ServerResponse): void {
  const stream = streamOf(res);
  // Not `res`: a response that waits for its turn on a pipelined connection has no socket yet.
  if (stream === undefined) req.socket.destroy();
  else if (!stream.closed) stream.close(INTERNAL_ERROR);
}

/**
 * Asks the client, once its answer is complete, to send no more of a body that nobody reads: RST_STREAM with
 * NO_ERROR (RFC 9113 §8.1).
 */
export function stopAfterAnswer(stream: ServerHttp2Stream): void {
  // The answer's last frame leaves in the immediate that node:http2 has asked for when it tells of this.
  stream.once("wantTrailers", () => setImmediate(() => stream.close()));
}

const counts = new WeakMap<ServerResponse, { readonly bytes: number }>();

/** Bytes of the body handed over so far; `undefined` where nobody counts. */
export function countedBytes(res: ServerResponse): number | undefined {
  return counts.get(res)?.bytes;
}

/** Counts the bytes written to a response from now on: a stream has no counter, and its socket counts for all. */
export function countBytes(res: ServerResponse): { readonly bytes: number } {
  const count = { bytes: 0 };
  counts.set(res, count);
  const write = res.write.bind(res) as (...args: readonly unknown[]) => boolean;
  res.write = (chunk: string | Uint8Array, ...rest: readonly unknown[]) => {
    count.bytes += chunk.length;
    return write(chunk, ...rest);
  };
  return count;
}

// What RFC 9113 §6.5.2 recommends as the least.
const STREAMS_MAX = 100;
// Bytes; as for HTTP/1.1. Beyond, node:http2 resets the stream with ENHANCE_YOUR_CALM.
const HEADERS_MAX = 16 * 1024;
// Bytes that a client may send before it hears of the first: the default of 64 KiB would slow uploads down to
// 1.3 MB/s at 50 ms. A stream whose reader waits holds up to so many in memory.
const STREAM_WINDOW = 1024 * 1024;
const CONNECTION_WINDOW = 8 * STREAM_WINDOW;

/** Whether a server speaks HTTP/2, be it besides HTTP/1.1. */
export function speaksHttp2(server: object): server is Http2Server {
  return "updateSettings" in server;
}

/** What `configureServer` does for connections of HTTP/2. */
export function configureHttp2(server: Http2Server, idleTimeout: number): void {
  server.updateSettings({
    maxConcurrentStreams: STREAMS_MAX,
    maxHeaderListSize: HEADERS_MAX,
    initialWindowSize: STREAM_WINDOW,
    enablePush: false,
  });
  server.on("session", (session: ServerHttp2Session) => {
    session.setLocalWindowSize(CONNECTION_WINDOW);
    endWhenIdle(session, idleTimeout);
  });
  server.prependListener("stream", (stream: ServerHttp2Stream, headers: Record<string, unknown>) => {
    stream.setTimeout(idleTimeout, () => stream.close(CANCEL));
    // A body of unknown length needs no header here; by this one libraries (type-is, koa-body) know that there is one.
    if (!stream.endAfterHeaders && headers["content-length"] === undefined) {
      headers["transfer-encoding"] = "chunked";
    }
  });
}

/** Idle is a connection without streams. A stream has a timeout of its own, which work that takes long can lift. */
function endWhenIdle(session: ServerHttp2Session, idleTimeout: number): void {
  let streams = 0;
  session.on("stream", (stream: ServerHttp2Stream) => {
    streams += 1;
    stream.once("close", () => {
      streams -= 1;
    });
  });
  const onTimeout = () => {
    if (streams === 0) session.destroy();
    else session.setTimeout(idleTimeout, onTimeout);
  };
  // node:http2's own would end the connection whatever is going on.
  session.removeAllListeners("timeout");
  session.setTimeout(idleTimeout, onTimeout);
}
