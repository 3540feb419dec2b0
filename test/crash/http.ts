import { Agent, type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from "node:http";
import { buffer } from "node:stream/consumers";

/** The connection ended before there was an answer: nobody knows what has become of the request. */
export class Cut extends Error {}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Milliseconds since the epoch. What the server promises, it promises between the two. */
  readonly sentAt: number;
  readonly receivedAt: number;
}

export interface Sending {
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: Buffer;
}

// Bytes that are written at a time: the server is to be killed in the middle of bodies, too.
const PIECE = 128 * 1024;

/** A client of one server. */
export class Client {
  readonly #url: string;
  // Below the server's own patience, so that it never closes a connection that is just being used again.
  readonly #agent = new Agent({ keepAlive: true, timeout: 2000 });

  constructor(url: string) {
    this.#url = url;
  }

  /**
   * An answer to a request that changes something counts from its head on: the client has been told.
   * @throws Cut
   */
  send(method: string, path: string, { headers = {}, body }: Sending = {}): Promise<Answer> {
    const sentAt = Date.now();
    return new Promise((resolve, reject) => {
      const cut = (cause: unknown) => reject(new Cut(`${method} ${path}: ${cause}`, { cause }));
      const length = body === undefined && method !== "POST" ? {} : { "Content-Length": body?.length ?? 0 };
      const outgoing = request(this.#url + path, {
        method,
        agent: this.#agent,
        headers: { ...length, ...headers },
      });
      outgoing.on("error", cut);
      outgoing.on("response", (incoming) => {
        const { statusCode: status = 0, headers } = incoming;
        const tell = (body: Buffer) => resolve({ status, headers, body, sentAt, receivedAt: Date.now() });
        const told = method !== "GET" && status < 300;
        buffer(incoming).then(tell, (error) => (told ? tell(Buffer.alloc(0)) : cut(error)));
      });
      void write(outgoing, body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

async function write(outgoing: ReturnType<typeof request>, body: Buffer = Buffer.alloc(0)): Promise<void> {
  for (let at = 0; at < body.length && !outgoing.destroyed; at += PIECE) {
    await new Promise((resolve) => outgoing.write(body.subarray(at, at + PIECE), resolve));
  }
  outgoing.end();
}

/** Where a session of an upload goes on: the path of `Location`, and whether a query is there already. */
export function locationOf({ headers }: Answer): string {
  const { pathname, search } = new URL(headers.location ?? "", "http://localhost");
  return pathname + search;
}
