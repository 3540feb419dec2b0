import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { LayerdError } from "../core/errors.ts";
import { deferContinue, failBody } from "./body.ts";
import { errorBody } from "./errors.ts";
import { configureHttp2, speaksHttp2 } from "./http2.ts";

/** Milliseconds within which the headers of a request must have arrived. */
const HEADERS_TIMEOUT = 30_000;

/**
 * Settings that belong to the server rather than to middleware: transfers may take as long as something moves,
 * refusals come before the body is sent, and even what is no HTTP gets an answer.
 * @param idleTimeout milliseconds without any traffic after which a connection is closed.
 */
export function configureServer(server: Server, idleTimeout: number): void {
  // The default of 300 s for a whole request would cut long uploads.
  server.requestTimeout = 0;
  server.headersTimeout = HEADERS_TIMEOUT;
  server.timeout = idleTimeout;
  server.keepAliveTimeout = idleTimeout;
  server.on("checkContinue", (req: IncomingMessage, res: ServerResponse) => {
    deferContinue(req);
    server.emit("request", req, res);
  });
  // An expectation that nobody knows may be ignored (RFC 9110 §10.1.1).
  server.on("checkExpectation", (req: IncomingMessage, res: ServerResponse) => {
    server.emit("request", req, res);
  });
  // A client that has sent its request and says that no other will follow still waits for the answer.
  Object.assign(server, { httpAllowHalfOpen: true });
  server.on("clientError", answerGarbage);
  if (speaksHttp2(server)) configureHttp2(server, idleTimeout);
}

// What broke off a handshake: whoever is there speaks no TLS, so there is nothing to answer in.
const HANDSHAKE_FAILED = /^ERR_(?:SSL|TLS)_/;

function answerGarbage(error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === "ECONNRESET" || HANDSHAKE_FAILED.test(error.code ?? "")) {
    socket.destroy();
    return;
  }
  const described = describe(error.code);
  failBody(socket, described);
  if (isAnswering(socket)) {
    // Written now, the answer would be taken for content of the one that is under way.
    socket.destroy();
    return;
  }
  const body = errorBody(described);
  socket.end(
    `HTTP/1.1 ${described.status} Refused\r\nConnection: close\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** Whether an answer on this connection has begun and not ended. node:http itself looks here before it refuses. */
function isAnswering(socket: Socket & { readonly _httpMessage?: ServerResponse | null }): boolean {
  return socket._httpMessage?.headersSent ?? false;
}

function describe(code: string | undefined): LayerdError {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return new LayerdError("HEADERS_TOO_LARGE");
    case "HPE_INVALID_EOF_STATE":
      return new LayerdError("SIZE_INVALID", "the request ended before its announced length");
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new LayerdError("REQUEST_TIMEOUT");
    default:
      return new LayerdError("REQUEST_INVALID", `this is not HTTP as RFC 9112 defines it (${code})`);
  }
}
