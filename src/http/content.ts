import type { IncomingMessage, ServerResponse } from "node:http";
import type Koa from "koa";
import type { BlobHandle } from "../blobs/port.ts";
import type { Awaitable } from "../core/awaitable.ts";
import { checkReadPreconditions, ifRangeHolds } from "../core/conditional.ts";
import { LayerdError } from "../core/errors.ts";
import { type ByteRange, selectRanges } from "../core/range.ts";
import { breakOff, countBytes, isGone, streamOf } from "./http2.ts";
import { contentRange, layOutRanges } from "./multipart-ranges.ts";
import type { Call } from "./request-context.ts";

export { checkWritePreconditions } from "../core/conditional.ts";

/** What an endpoint serves: the bytes of an open handle, and how to describe them. */
export interface Content {
  readonly handle: BlobHandle;
  /** Strong, with its quotes. */
  readonly etag: string;
  readonly mediaType: string;
  /**
   * The caller's own headers, such as Cache-Control: a flat list of names and values. ETag, Accept-Ranges,
   * Content-Type, Content-Range and Content-Length are not among them. Taken over: the others are added to it.
   */
  readonly fields: string[];
}

/**
 * Answers a GET or HEAD with the content, honouring preconditions (RFC 9110 §13) and ranges (§14).
 *
 * Returns the bytes of the body that were handed over: when all were, or when the client went away (then
 * `res.writableFinished` stays false, and the number is what had gone out by then). Does not close the handle.
 * When the content cannot be read to its end, the connection is broken and the error thrown.
 * @throws PRECONDITION_FAILED, RANGE_INVALID; nothing has been sent then.
 */
export function serveContent(ctx: Koa.Context, content: Content): Awaitable<number> {
  const { req } = ctx;
  if (checkReadPreconditions(req.headers, content.etag) === "not modified") return notModified(ctx, content);
  const ranges = requestedRanges(req, content);
  if (ranges === undefined) return whole(ctx, content);
  const [range] = ranges;
  return ranges.length === 1 && range !== undefined
    ? singleRange(ctx, content, range)
    : multipleRanges(ctx, content, ranges);
}

/** The same, closing the handle when it is done with it, and recording what was sent. */
export function serveAndClose(ctx: Call, content: Content): Awaitable<void> {
  const { handle } = content;
  let sent: Awaitable<number>;
  try {
    sent = serveContent(ctx, content);
  } catch (error) {
    sent = Promise.reject(error);
  }
  if (sent instanceof Promise) return closeAfter(ctx, handle, sent);
  ctx.layerd.sent = sent;
  return handle.close();
}

async function closeAfter(ctx: Call, handle: BlobHandle, sent: Promise<number>): Promise<void> {
  try {
    ctx.layerd.sent = await sent;
  } finally {
    await handle.close();
  }
}

/** The ranges to serve; `undefined` when the request is for everything. */
function requestedRanges(req: IncomingMessage, content: Content): readonly ByteRange[] | undefined {
  const { range, "if-range": ifRange } = req.headers;
  // RFC 9110 §14.2: Range is defined for GET alone.
  if (range === undefined || req.method !== "GET") return undefined;
  if (ifRange !== undefined && !ifRangeHolds(String(ifRange), content.etag)) return undefined;
  const { size } = content.handle;
  const selection = selectRanges(range, size);
  switch (selection.type) {
    case "whole":
      return undefined;
    case "ranges":
      return selection.ranges;
    case "refused":
      throw new LayerdError("RANGE_INVALID", selection.reason, {
        detail: { range: range.slice(0, 150), size },
        headers: { "Content-Range": `bytes */${size}`, "Accept-Ranges": "bytes", ETag: content.etag },
      });
    default:
      return selection satisfies never;
  }
}

function whole(ctx: Koa.Context, content: Content): Awaitable<number> {
  const { bytes, latin1, size } = content.handle;
  begin(ctx, 200, content, content.mediaType, size);
  if (ctx.req.method === "HEAD") {
    ctx.res.end();
    return 0;
  }
  if (bytes !== undefined) {
    if (latin1 === undefined) ctx.res.end(bytes);
    else ctx.res.end(latin1, "latin1");
    return size;
  }
  return transfer(ctx, size, () => content.handle.send(ctx.res));
}

function singleRange(ctx: Koa.Context, content: Content, range: ByteRange): Awaitable<number> {
  const { bytes, latin1, size } = content.handle;
  const length = range.end - range.start;
  begin(ctx, 206, content, content.mediaType, length, contentRange(range, size));
  if (bytes !== undefined) {
    if (latin1 === undefined) ctx.res.end(bytes.subarray(range.start, range.end));
    else ctx.res.end(latin1.slice(range.start, range.end), "latin1");
    return length;
  }
  return transfer(ctx, length, () => content.handle.send(ctx.res, range));
}

/** RFC 9110 §15.3.7.2: Content-Range stands in the parts and nowhere else. */
async function multipleRanges(
  ctx: Koa.Context,
  content: Content,
  ranges: readonly ByteRange[],
): Promise<number> {
  const { handle, mediaType } = content;
  const layout = layOutRanges(ranges, { mediaType, size: handle.size });
  begin(ctx, 206, content, layout.mediaType, layout.length);
  return await transfer(ctx, layout.length, async () => {
    for (const { head, range } of layout.parts) {
      await write(ctx.res, head);
      await handle.send(ctx.res, range);
    }
    await write(ctx.res, layout.tail);
  });
}

// RFC 9110 §15.4.5: of what describes the body, a 304 repeats ETag and Content-Location, and no more. Fields about
// the exchange (a request id, CORS) stay.
const ABOUT_THE_BODY = /^(?:content-(?!location$).*|repr-digest)$/i;

function notModified(ctx: Koa.Context, content: Content): number {
  const { fields, etag } = content;
  const kept = fields.filter((_, i) => !ABOUT_THE_BODY.test(fields[i - (i % 2)] ?? ""));
  ctx.respond = false;
  ctx.res.removeHeader("Content-Type");
  ctx.res.removeHeader("Content-Length");
  ctx.res.writeHead(304, [...keepVary(ctx.res, kept), "ETag", etag]);
  ctx.res.end();
  return 0;
}

function begin(
  ctx: Koa.Context,
  status: 200 | 206,
  content: Content,
  mediaType: string,
  length: number,
  range?: string,
): void {
  ctx.respond = false;
  const fields = keepVary(ctx.res, content.fields);
  fields.push("ETag", content.etag, "Accept-Ranges", "bytes", "Content-Type", mediaType);
  if (range !== undefined) fields.push("Content-Range", range);
  // Last: after it, Node recodes a Content-Disposition and breaks or refuses file names beyond ASCII.
  fields.push("Content-Length", String(length));
  ctx.res.writeHead(status, fields);
}

/**
 * Headers that outer middleware has set survive `writeHead`, unless a field of the same name replaces them.
 * For Vary that would be wrong: both hold (a CORS middleware's `Origin`, the content's own).
 */
function keepVary(res: ServerResponse, fields: string[]): string[] {
  const outer = res.getHeader("Vary");
  if (outer === undefined) return fields;
  return fields.map((text, i) =>
    i % 2 === 1 && fields[i - 1]?.toLowerCase() === "vary" ? `${[outer].flat().join(", ")}, ${text}` : text,
  );
}

/** Sends a body of exactly `length` bytes; a broken one never looks complete. */
async function transfer(ctx: Koa.Context, length: number, send: () => Promise<void>): Promise<number> {
  const { req, res } = ctx;
  if (streamOf(res) !== undefined) return transferOnStream(ctx, length, send);
  const { socket } = req;
  const before = socket.bytesWritten;
  // Node compares what is written with Content-Length, and `end` throws when they differ.
  res.strictContentLength = true;
  try {
    await send();
    res.end();
    return length;
  } catch (error) {
    if (isGone(req, res)) return Math.min(length, socket.bytesWritten - before);
    breakOff(req, res);
    throw error;
  }
}

/** The same in HTTP/2, where Node counts nothing. */
async function transferOnStream(
  { req, res }: Koa.Context,
  length: number,
  send: () => Promise<void>,
): Promise<number> {
  const written = countBytes(res);
  try {
    await send();
    if (written.bytes !== length) throw new Error(`the body has ${written.bytes} bytes of ${length}`);
    res.end();
    return length;
  } catch (error) {
    if (isGone(req, res)) return Math.min(length, written.bytes);
    breakOff(req, res);
    throw error;
  }
}

/** Writes text of the body's own. Rejects when the client is gone. */
async function write(res: ServerResponse, text: string): Promise<void> {
  if (!res.write(text, "latin1")) await drained(res);
  if (isGone(res.req, res)) throw new Error("the client is gone");
}

async function drained(res: ServerResponse): Promise<void> {
  if (isGone(res.req, res) || !res.writableNeedDrain) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      res.off("drain", done).off("close", done);
      resolve();
    };
    res.on("drain", done).on("close", done);
  });
}
