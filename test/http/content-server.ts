import { once } from "node:events";
import { type Agent, createServer, type IncomingHttpHeaders, request, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { Readable, type Writable } from "node:stream";
import type { ExecutionContext } from "ava";
import Koa from "koa";
import type { BlobHandle, ByteSpan } from "../../src/blobs/port.ts";
import { digestOf } from "../../src/core/digest.ts";
import { isLayerdError } from "../../src/core/errors.ts";
import { type Content, serveContent } from "../../src/http/content.ts";

export const MEDIA_TYPE = "application/vnd.oci.image.layer.v1.tar";
export const LETTERS = Buffer.from("abcdefghijklmnopqrstuvwxyz".repeat(40)).subarray(0, 1000);
export const ETAG = `"${digestOf(LETTERS)}"`;

export interface Faults {
  /** Offset at which reading fails. */
  readonly failAt?: number;
  /** Offset at which `send` ends as if all was well. */
  readonly shortAt?: number;
}

/** A handle over bytes that sends them as a file driver would, and notes what became of each transfer. */
export class TestHandle implements BlobHandle {
  readonly digest;
  readonly size;
  readonly content: Buffer;
  readonly faults: Faults;
  sends = 0;
  running = 0;
  closed = 0;
  /** Resolves when a transfer first waits for the client. */
  readonly blocked = Promise.withResolvers<Writable>();

  constructor(content: Buffer, faults: Faults = {}) {
    this.digest = digestOf(content);
    this.size = content.length;
    this.content = content;
    this.faults = faults;
  }

  async send(writable: Writable, span: ByteSpan = { start: 0, end: this.size }): Promise<void> {
    this.sends++;
    this.running++;
    try {
      for (let at = span.start; at < span.end; at += 16_384) {
        if (at >= (this.faults.shortAt ?? Number.POSITIVE_INFINITY)) return;
        if (at >= (this.faults.failAt ?? Number.POSITIVE_INFINITY)) throw new Error("EIO: read");
        if (writable.destroyed) throw new Error("closed");
        const chunk = this.content.subarray(at, Math.min(at + 16_384, span.end));
        if (!writable.write(chunk)) await this.#drain(writable);
      }
    } finally {
      this.running--;
    }
  }

  async #drain(writable: Writable): Promise<void> {
    const closed = Promise.withResolvers<never>();
    const onClose = () => closed.reject(new Error("closed"));
    writable.once("close", onClose);
    this.blocked.resolve(writable);
    try {
      await Promise.race([once(writable, "drain"), closed.promise]);
    } finally {
      writable.off("close", onClose);
    }
  }

  stream(span: ByteSpan = { start: 0, end: this.size }): Readable {
    return Readable.from([this.content.subarray(span.start, span.end)]);
  }

  async close(): Promise<void> {
    this.closed++;
  }
}

/** The same bytes, held in memory. */
export class MemoryHandle extends TestHandle {
  readonly bytes: Buffer;

  constructor(content: Buffer) {
    super(content);
    this.bytes = content;
  }
}

interface Outcome {
  readonly sent?: number;
  readonly error?: unknown;
}

export interface TestServer {
  readonly port: number;
  readonly server: Server;
  /** What became of each call of serveContent, in the order in which they ended. */
  readonly outcomes: Outcome[];
  /** Resolves when so many calls have ended. */
  ended(count: number): Promise<void>;
}

export interface ServeOptions {
  readonly fields?: readonly string[];
  readonly outer?: (ctx: Koa.Context) => void;
}

export async function serve(
  t: ExecutionContext,
  handle: BlobHandle | (() => BlobHandle),
  options: ServeOptions = {},
): Promise<TestServer> {
  const outcomes: Outcome[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  const app = new Koa();
  app.silent = true;
  app.use(async (ctx) => {
    options.outer?.(ctx);
    const open = typeof handle === "function" ? handle() : handle;
    const content: Content = {
      handle: open,
      etag: `"${open.digest}"`,
      mediaType: MEDIA_TYPE,
      fields: [...(options.fields ?? [])],
    };
    try {
      outcomes.push({ sent: await serveContent(ctx, content) });
    } catch (error) {
      outcomes.push({ error });
      if (!isLayerdError(error)) throw error;
      ctx.status = error.status;
      ctx.set(error.headers);
      ctx.body = { code: error.code };
    } finally {
      for (const { count, resolve } of waiting) if (outcomes.length >= count) resolve();
    }
  });
  const server = createServer(app.callback()).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    port: (server.address() as AddressInfo).port,
    server,
    outcomes,
    ended: async (count) => {
      if (outcomes.length >= count) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push({ count, resolve });
      await promise;
    },
  };
}

export interface Answer {
  readonly status: number;
  /** Names in lower case; a name that came twice has its values joined by "; ". */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export function connectTo(t: ExecutionContext, { port }: TestServer): Socket {
  const socket = connect(port, "127.0.0.1");
  t.teardown(() => socket.destroy());
  return socket;
}

/** Sends a request as it is written here, and reads until the server closes. */
export async function raw(t: ExecutionContext, to: TestServer, lines: readonly string[]): Promise<Answer> {
  const socket = connectTo(t, to);
  socket.write([...lines, "Host: x", "Connection: close", "", ""].join("\r\n"));
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  return parseAnswer(Buffer.concat(chunks));
}

export function parseAnswer(bytes: Buffer): Answer {
  const end = bytes.indexOf("\r\n\r\n");
  const [statusLine = "", ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n");
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(": ");
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 2);
    headers[name] = name in headers ? `${headers[name]}; ${value}` : value;
  }
  return { status: Number(statusLine.split(" ")[1]), headers, body: bytes.subarray(end + 4) };
}

export interface Part {
  readonly type: string | undefined;
  readonly range: string | undefined;
  readonly body: Buffer;
}

/** Takes a multipart body apart by its boundary alone. */
export function parseParts(answer: Answer): Part[] {
  const boundary = /^multipart\/byteranges; boundary=([\w-]+)$/.exec(
    answer.headers["content-type"] ?? "",
  )?.[1];
  const text = answer.body.toString("latin1");
  const [preamble, ...pieces] = `\r\n${text}`.split(`\r\n--${boundary}`);
  const epilogue = pieces.pop();
  if (preamble !== "" || epilogue !== "--\r\n") throw new Error(`not a multipart body: ${text}`);
  return pieces.map((piece) => {
    const part = parseAnswer(Buffer.from(`part${piece}`, "latin1"));
    return { type: part.headers["content-type"], range: part.headers["content-range"], body: part.body };
  });
}

export async function get({ port }: TestServer, agent: Agent, headers: IncomingHttpHeaders): Promise<Answer> {
  const req = request({ port, host: "127.0.0.1", agent, headers }).end();
  const [res] = await once(req, "response");
  const chunks: Buffer[] = [];
  for await (const chunk of res) chunks.push(chunk);
  return { status: res.statusCode, headers: res.headers, body: Buffer.concat(chunks) };
}

export function connections(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
  });
}
