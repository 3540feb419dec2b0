import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";

/** What was asked of S3. */
export interface S3Counts {
  /** The names of the operations, in the order in which they began. */
  readonly requests: readonly string[];
  /** Bytes of bodies to S3 and back. */
  readonly sent: number;
  readonly received: number;
}

/** A way to an S3 server on which everything is counted. Hosts stay as they were sent: signatures cover them. */
export class S3Meter {
  readonly #server: http.Server;
  readonly #agent = new http.Agent({ keepAlive: true });
  #counts = nothing();

  private constructor(server: http.Server) {
    this.#server = server;
  }

  /** @param target the port of the S3 server on loopback. */
  static async start(target: number): Promise<S3Meter> {
    let meter: S3Meter | undefined;
    const server = http.createServer((request, answer) => meter?.pass(request, answer, target));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    meter = new S3Meter(server);
    return meter;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** What has been counted since it was last taken. */
  take(): S3Counts {
    const taken = this.#counts;
    this.#counts = nothing();
    return taken;
  }

  get sum(): number {
    return this.#counts.requests.length + this.#counts.sent + this.#counts.received;
  }

  async close(): Promise<void> {
    this.#agent.destroy();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  pass(request: http.IncomingMessage, answer: http.ServerResponse, port: number): void {
    this.#counts.requests.push(operationOf(request));
    // This server has told the client already to go on.
    const { expect: _, ...headers } = request.headers;
    const { method, url: path } = request;
    const options = { host: "127.0.0.1", port, method, path, headers, agent: this.#agent };
    const outgoing = http.request(options, (incoming) => {
      answer.writeHead(incoming.statusCode ?? 502, incoming.rawHeaders);
      incoming.on("data", (chunk: Buffer) => {
        this.#counts.received += chunk.length;
      });
      incoming.pipe(answer);
    });
    outgoing.on("error", () => answer.destroy());
    answer.on("close", () => answer.writableFinished || outgoing.destroy());
    request.on("data", (chunk: Buffer) => {
      this.#counts.sent += chunk.length;
    });
    request.pipe(outgoing);
  }
}

/** By the names of the Amazon S3 API reference. */
function operationOf({ method = "", url = "" }: http.IncomingMessage): string {
  const { pathname, searchParams: query } = new URL(url, "http://s3");
  const ofBucket = pathname.split("/").filter((part) => part !== "").length < 2;
  if (method === "PUT") return query.has("partNumber") ? "UploadPart" : "PutObject";
  if (method === "POST") return query.has("uploads") ? "CreateMultipartUpload" : "CompleteMultipartUpload";
  if (method === "DELETE") return query.has("uploadId") ? "AbortMultipartUpload" : "DeleteObject";
  if (method === "GET" && ofBucket) return query.has("uploads") ? "ListMultipartUploads" : "ListObjectsV2";
  return method === "GET" ? "GetObject" : "HeadObject";
}

function nothing() {
  return { requests: [] as string[], sent: 0, received: 0 };
}
