import { createHash } from "node:crypto";
import http from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { inParallel } from "./bench.ts";
import type { SyntheticLayer } from "./content.ts";

/** A request whose body is at hand. */
export interface PreparedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Sends one request and reads the answer whole. */
export async function send(request: PreparedRequest, agent?: http.Agent): Promise<Answer> {
  const { method, url, headers = {}, body = "" } = request;
  const outgoing = http.request(url, {
    method,
    agent,
    headers: { ...headers, "Content-Length": Buffer.byteLength(body) },
  });
  outgoing.end(body);
  return await answerTo(outgoing);
}

/** Sends requests over `connections` connections that are kept alive. @throws at the first that is no 201. */
export async function sendAll(requests: Iterable<PreparedRequest>, connections: number): Promise<void> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  try {
    await inParallel(requests, connections, async (request) =>
      expect(201, request, await send(request, agent)),
    );
  } finally {
    agent.destroy();
  }
}

/** Sends a layer that is made up on the way. @throws unless the answer is 201. */
export async function sendLayer(request: PreparedRequest, layer: SyntheticLayer): Promise<void> {
  const { method, url } = request;
  const headers = { "Content-Type": "application/octet-stream", "Content-Length": layer.size };
  const outgoing = http.request(url, { method, headers, agent: false });
  const [answer] = await Promise.all([answerTo(outgoing), pipeline(Readable.from(layer.chunks()), outgoing)]);
  expect(201, request, answer);
}

/** Downloads and forgets. @throws unless exactly `size` bytes came with 200. */
export async function drain(url: string, size: number): Promise<void> {
  const response = await responseTo(http.get(url, { agent: false }));
  let received = 0;
  for await (const chunk of response) received += chunk.length;
  if (response.statusCode === 200 && received === size) return;
  throw new Error(`GET ${url}: ${response.statusCode} with ${received} bytes`);
}

/** Downloads and compares. @throws unless the bytes have that digest. */
export async function verifyDownload(url: string, digest: string): Promise<void> {
  const response = await responseTo(http.get(url, { agent: false }));
  const hash = createHash("sha256");
  for await (const chunk of response) hash.update(chunk);
  if (`sha256:${hash.digest("hex")}` !== digest)
    throw new Error(`GET ${url}: ${response.statusCode}, not ${digest}`);
}

export function expect(status: number, request: PreparedRequest, answer: Answer): void {
  if (answer.status === status) return;
  throw new Error(
    `${request.method} ${request.url}: ${answer.status} ${answer.body.toString().slice(0, 500)}`,
  );
}

async function answerTo(request: http.ClientRequest): Promise<Answer> {
  const response = await responseTo(request);
  const body = Buffer.concat(await response.toArray());
  return { status: response.statusCode ?? 0, headers: response.headers, body };
}

function responseTo(request: http.ClientRequest): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => request.once("response", resolve).once("error", reject));
}
