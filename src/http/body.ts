import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { LayerdError } from "../core/errors.ts";
import type { Incoming } from "../registry/layers.ts";
import { streamOf } from "./http2.ts";
import type { Call } from "./request-context.ts";

/** Requests whose `100 Continue` has been left to whoever reads the body (see `configureServer`). */
const awaitingContinue = new WeakSet<IncomingMessage>();

/** What says of a connection that it carries something else than HTTP. */
const faults = new WeakMap<Socket, AbortController>();

/** Leaves it to the handler whether the client is to send its body at all (RFC 9110 §10.1.1). */
export function deferContinue(req: IncomingMessage): void {
  awaitingContinue.add(req);
}

/** Whether the client still waits for permission to send its body. */
export function isAwaitingContinue(req: IncomingMessage): boolean {
  return awaitingContinue.has(req);
}

export interface Body extends Incoming {
  readonly stream: IncomingMessage;
  readonly signal: AbortSignal;
  /** Bytes, when the client announced them. */
  readonly length: number | undefined;
}

/**
 * The request's body, to be stored as it is. The client is told to send it when somebody begins to read, and from its end
 * on waits for as long as the work takes.
 * @throws UNSUPPORTED_MEDIA_TYPE for a content coding: stored bytes must be those that the digest covers
 * (RFC 9110 §15.5.16 says to name what is accepted), REQUEST_INVALID for a transfer coding beyond chunked.
 */
export function acceptBody(ctx: Call): Body {
  const coding = ctx.get("Content-Encoding").toLowerCase();
  if (coding !== "" && coding !== "identity") {
    throw new LayerdError(
      "UNSUPPORTED_MEDIA_TYPE",
      `Content-Encoding ${coding.slice(0, 50)} is not accepted`,
      {
        detail: { hint: "send the bytes as they are, without Content-Encoding" },
        headers: { "Accept-Encoding": "identity" },
      },
    );
  }
  const transferCoding = ctx.get("Transfer-Encoding").toLowerCase();
  if (transferCoding !== "" && transferCoding !== "chunked") {
    throw new LayerdError(
      "REQUEST_INVALID",
      `Transfer-Encoding ${transferCoding.slice(0, 50)} is not accepted`,
    );
  }
  if (isAwaitingContinue(ctx.req)) {
    ctx.req.once("resume", () => {
      if (!ctx.res.headersSent && awaitingContinue.delete(ctx.req)) ctx.res.writeContinue();
    });
  }
  waitFromEnd(ctx);
  const length = ctx.req.headers["content-length"];
  const { signal } = streamOf(ctx.res) === undefined ? faultOf(ctx.req.socket) : abortOf(ctx.req);
  return { stream: ctx.req, signal, length: length === undefined ? undefined : Number(length) };
}

/**
 * Fails the body that is being read on a connection which has turned out to carry something else than HTTP,
 * such as more bytes than were announced: the client will be told 400, so nothing of it is to be stored.
 */
export function failBody(socket: Socket, error: Error): void {
  faultOf(socket).abort(error);
}

/**
 * Of a request in HTTP/2. Where its client has broken off, node:http2 says so, and then ends the body as if it were
 * whole.
 */
function abortOf(req: IncomingMessage): AbortController {
  const fault = new AbortController();
  req.once("aborted", () =>
    fault.abort(new LayerdError("SIZE_INVALID", "the body broke off before its end")),
  );
  return fault;
}

function faultOf(socket: Socket): AbortController {
  const known = faults.get(socket);
  if (known !== undefined) return known;
  const fault = new AbortController();
  faults.set(socket, fault);
  return fault;
}

/** Work keeps a client waiting that has sent all: an idle timeout must not take the connection for a dead one. */
function waitFromEnd(ctx: Call): void {
  const wait = () => {
    // A body that nobody wanted is read to its end after the answer: then nobody waits.
    if (!ctx.res.writableEnded) (streamOf(ctx.res) ?? ctx.req.socket).setTimeout(0);
  };
  if (hasBody(ctx)) ctx.req.once("end", wait);
  else wait();
}

/** RFC 9112 §6.3: a request without these has no body; where HTTP/2 has one, `configureHttp2` says so likewise. */
export function hasBody({ req }: Call): boolean {
  return req.headers["transfer-encoding"] !== undefined || Number(req.headers["content-length"] ?? 0) > 0;
}
