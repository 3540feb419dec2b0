import type { IncomingMessage } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { Awaitable } from "../core/awaitable.ts";
import { isLayerdError, LayerdError } from "../core/errors.ts";
import { type OciAnswer, toOci } from "../core/oci-errors.ts";
import { isAwaitingContinue } from "./body.ts";
import { breakOff, stopAfterAnswer, streamOf } from "./http2.ts";
import { JSON_FIELDS, toJson } from "./reply.ts";
import type { Call } from "./request-context.ts";
import { isV2 } from "./v2/path.ts";

/** The body of every error, as distribution-spec §Error Codes shapes it. */
export function errorBody(error: LayerdError): string {
  return toJson({ errors: [described(error)] });
}

function described({ code, message, detail }: LayerdError) {
  return { code, message, ...(detail === undefined ? {} : { detail }) };
}

/** Answers whatever a handler threw: the only place that turns an error into a response. */
export function answerErrors(ctx: Call, handle: (ctx: Call) => unknown): Awaitable<unknown> {
  try {
    const handled = handle(ctx);
    return handled instanceof Promise ? handled.catch((thrown: unknown) => answer(ctx, thrown)) : handled;
  } catch (thrown) {
    return answer(ctx, thrown);
  }
}

async function answer(ctx: Call, thrown: unknown): Promise<void> {
  ctx.respond = false;
  // Once an answer has begun, only a fault of ours throws: whoever sends it takes care of clients that leave.
  if (clientIsGone(ctx) && !ctx.res.headersSent) return;
  const error = isLayerdError(thrown) ? thrown : fromHttpError(thrown);
  if (error.code === "INTERNAL") ctx.layerd.log.error({ err: thrown }, "request failed");
  // Foreseen, such as a full disk: what is to be known is its name.
  else if (error.status >= 500) ctx.layerd.log.warn({ code: error.code, message: error.message }, "refused");
  if (ctx.res.headersSent) {
    // The client waits for bytes that will not come: only a broken connection tells it so.
    breakOff(ctx.req, ctx.res);
    return;
  }
  await send(ctx, error);
}

async function send(ctx: Call, error: LayerdError): Promise<void> {
  const told = tell(ctx, error);
  const body = Buffer.from(ctx.method === "HEAD" ? "" : toJson({ errors: told.errors }));
  const length = ctx.method === "HEAD" ? [] : ["Content-Length", String(body.length)];
  const unread = hasUnreadBody(ctx.req);
  const stream = streamOf(ctx.res);
  // RFC 9113 §8.2.2: HTTP/2 knows no such field.
  const close = unread && stream === undefined ? ["Connection", "close"] : [];
  const own = Object.entries({ ...error.headers, ...told.headers }).flat();
  ctx.layerd.sent = body.length;
  ctx.res.writeHead(told.status, [...ctx.layerd.fields, ...JSON_FIELDS, ...own, ...length, ...close]);
  if (stream !== undefined) {
    if (unread) stopAfterAnswer(stream);
    ctx.res.end(body);
  } else if (unread && !isAwaitingContinue(ctx.req)) {
    // Writing no bytes, as for HEAD, would send no headers.
    if (body.length === 0) ctx.res.flushHeaders();
    else ctx.res.write(body);
    await discard(ctx.req);
    ctx.res.end();
  } else {
    ctx.res.end(body);
  }
}

/** Each API has its own words for what went wrong. */
function tell(ctx: Call, error: LayerdError): OciAnswer {
  if (typeof ctx.path === "string" && isV2(ctx.path)) return toOci(error);
  return { status: error.status, errors: [described(error)], headers: {} };
}

function clientIsGone(ctx: Call): boolean {
  if (streamOf(ctx.res)?.closed === true) return true;
  return ctx.req.socket.destroyed || (ctx.req.destroyed && !ctx.req.complete);
}

function hasUnreadBody(req: IncomingMessage): boolean {
  const announced = req.headers["content-length"] ?? "0";
  return !req.complete && (announced !== "0" || req.headers["transfer-encoding"] !== undefined);
}

// Milliseconds and bytes for which a refused body is still read. Closing at once would reset the connection
// and could take the error away from a client that is still sending (RFC 9112 §9.6).
const LINGER_TIME = 2000;
const LINGER_BYTES = 16 * 1024 * 1024;

async function discard(req: IncomingMessage): Promise<void> {
  const enough = new AbortController();
  let bytes = 0;
  req.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > LINGER_BYTES) enough.abort();
  });
  req.once("close", () => enough.abort());
  req.once("end", () => enough.abort());
  req.once("error", () => enough.abort());
  await delay(LINGER_TIME, undefined, { signal: enough.signal }).catch(() => undefined);
}

/** Errors of the libraries in front of the handlers (koa, koa-body) carry a status; others tell nothing. */
function fromHttpError(thrown: unknown): LayerdError {
  const status = thrown instanceof Error && "status" in thrown ? thrown.status : undefined;
  if (status === 413) return new LayerdError("REQUEST_TOO_LARGE", undefined, { cause: thrown });
  if (status === 415) return new LayerdError("UNSUPPORTED_MEDIA_TYPE", undefined, { cause: thrown });
  if (status === 400) return new LayerdError("REQUEST_INVALID", undefined, { cause: thrown });
  return new LayerdError("INTERNAL", undefined, { cause: thrown });
}
