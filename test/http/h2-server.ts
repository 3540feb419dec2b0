import { once } from "node:events";
import { readFile } from "node:fs/promises";
import type { Server } from "node:http";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import Koa from "koa";
import { createHttpServer, isClientGone } from "../../src/cli/http-server.ts";
import type { StoreOptions } from "../../src/config.ts";
import { createLayerd, type Layerd, type RequestLine } from "../../src/create.ts";
import { makeCertificate } from "../tools/certificate.ts";
import { temporaryDirectory } from "../tools/server.ts";

export interface SecureServer {
  /** `https://127.0.0.1:PORT` */
  readonly url: string;
  readonly port: number;
  readonly data: string;
  readonly layerd: Layerd;
  readonly server: Server;
  /** Path of the certificate, and what it says. */
  readonly cert: string;
  readonly ca: Buffer;
  /** Lines of the log so far. */
  readonly lines: readonly RequestLine[];
  /** What was not foreseen. */
  readonly errors: readonly Error[];
}

/** layerd behind TLS, for HTTP/2 and HTTP/1.1. Needs openssl; stopped with the test. */
export async function startSecureServer(
  t: ExecutionContext,
  config: StoreOptions = {},
): Promise<SecureServer> {
  const directory = await temporaryDirectory(t);
  const files = await makeCertificate(directory);
  const [ca, key] = await Promise.all([readFile(files.cert), readFile(files.key)]);
  const data = join(directory, "data");
  const lines: RequestLine[] = [];
  const errors: Error[] = [];
  const layerd = await createLayerd(
    { data, ...config },
    { passUnknown: false, logRequest: (line) => lines.push(line) },
  );
  const app = new Koa();
  app.use(layerd.middleware);
  app.on("error", (error: Error, ctx?: Koa.Context) => {
    if (!isClientGone(error, ctx)) errors.push(error);
  });
  const server = await createHttpServer(app.callback(), { cert: ca, key, minVersion: "TLSv1.2" });
  layerd.configureServer(server);
  const sockets = new Set<{ destroy(): void }>();
  server.on("connection", (socket) => sockets.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  t.teardown(async () => {
    const closed = new Promise((done) => server.close(done));
    await layerd.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  return {
    url: `https://127.0.0.1:${port}`,
    port,
    data,
    layerd,
    server,
    cert: files.cert,
    ca,
    lines,
    errors,
  };
}

// Megabytes. Node's client resets streams of its own, with ENHANCE_YOUR_CALM, when it has more than 10 to send.
const CLIENT_MEMORY = 1000;

/** A connection that speaks HTTP/2. */
export async function connectTo(t: ExecutionContext, { url, ca }: SecureServer): Promise<ClientHttp2Session> {
  const session = connect(url, { ca, maxSessionMemory: CLIENT_MEMORY });
  t.teardown(() => session.destroy());
  session.on("error", () => undefined);
  await once(session, "connect");
  return session;
}

export interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** With which the stream ended: 0 is NO_ERROR. */
  readonly code: number | undefined;
}

/** Sends a request, with the whole body if there is one, and waits until its stream has closed. */
export async function ask(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: Uint8Array | string,
): Promise<Answer> {
  const stream = session.request(headers, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  return await answerOf(stream);
}

/** Waits until a stream has closed. */
export function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  let headers: IncomingHttpHeaders & { ":status"?: number } = {};
  const chunks: Buffer[] = [];
  stream.on("response", (received) => {
    headers = received;
  });
  stream.on("data", (chunk) => chunks.push(chunk)).on("error", () => undefined);
  stream.resume();
  return new Promise((resolve) => {
    stream.on("close", () => {
      const { ":status": status } = headers;
      resolve({ status, headers, body: Buffer.concat(chunks), code: stream.rstCode });
    });
  });
}

/** The JSON of an answer, as loose as the assertions that look at it. */
// biome-ignore lint/suspicious/noExplicitAny: a test says what it expects by asserting it
export function jsonOf({ body }: Answer): any {
  return JSON.parse(body.toString());
}
