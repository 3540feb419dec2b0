import type { IncomingMessage } from "node:http";
import { isIPv6 } from "node:net";
import { LRUCache } from "lru-cache";
import { LayerdError } from "../core/errors.ts";
import { hasBody } from "./body.ts";
import { NOBODY } from "./observe.ts";
import type { Call } from "./request-context.ts";

/** What one client may do; 0 is no limit. */
export interface ClientLimitOptions {
  /** Requests a second, on average: ten seconds' worth may come at once. */
  readonly requests: number;
  /** Uploads under way at a time. */
  readonly uploads: number;
  /** Bytes sent an hour. The request that exceeds them is taken to its end, and the next one refused. */
  readonly bytes: number;
  readonly trustProxy: boolean;
}

interface Client {
  readonly requests: Bucket;
  readonly bytes: Bucket;
  uploads: number;
}

const SECOND = 1000;
const HOUR = 3_600_000;
const BURST = 10 * SECOND;

// One that has not been seen for long starts anew; strangers cannot fill the memory.
const CLIENTS_REMEMBERED = 10_000;

/** Keeps one client from taking everything. A client is who it says it is, else its address. */
export class ClientLimits {
  readonly #options: ClientLimitOptions;
  readonly #clients = new LRUCache<string, Client>({ max: CLIENTS_REMEMBERED });

  constructor(options: ClientLimitOptions) {
    this.#options = options;
  }

  /** Whether there is anything to check. */
  get any(): boolean {
    const { requests, uploads, bytes } = this.#options;
    return requests > 0 || uploads > 0 || bytes > 0;
  }

  /** Counts a request. @throws TOOMANYREQUESTS that says when to try again */
  check(ctx: Call): void {
    const client = this.#client(ctx);
    const { requests, bytes } = this.#options;
    if (requests > 0) refuseUntil(client.requests.take(1), `${requests} requests a second`);
    if (!hasBody(ctx)) return;
    if (bytes > 0) {
      refuseUntil(client.bytes.take(0), `${bytes} bytes an hour`);
      countBody(ctx.req, (count) => client.bytes.spend(count));
    }
    if (this.#options.uploads > 0) this.#countUpload(ctx, client);
  }

  #countUpload(ctx: Call, client: Client): void {
    const { uploads } = this.#options;
    // Nobody knows when one of them ends.
    if (client.uploads >= uploads) refuseUntil(SECOND, `${uploads} uploads at a time`);
    client.uploads += 1;
    ctx.res.once("close", () => {
      client.uploads -= 1;
    });
  }

  #client(ctx: Call): Client {
    const name = ctx.layerd.who === NOBODY ? this.#address(ctx.req) : `who ${ctx.layerd.who}`;
    const known = this.#clients.get(name);
    if (known !== undefined) return known;
    const { requests, bytes } = this.#options;
    const client = {
      requests: new Bucket(requests / SECOND, (requests * BURST) / SECOND),
      bytes: new Bucket(bytes / HOUR, bytes),
      uploads: 0,
    };
    this.#clients.set(name, client);
    return client;
  }

  /** The last address that a proxy has added is the one that it has seen itself. Of IPv6, a client has a /64. */
  #address(req: IncomingMessage): string {
    const forwarded = this.#options.trustProxy ? req.headers["x-forwarded-for"] : undefined;
    const seen = [forwarded].flat().at(-1)?.split(",").at(-1)?.trim() ?? req.socket.remoteAddress ?? "";
    return isIPv6(seen) && !seen.includes(".") ? seen.split(":").slice(0, 4).join(":") : seen;
  }
}

/** A token bucket. It may be overdrawn, and is then empty for longer. */
class Bucket {
  readonly #perMs: number;
  readonly #capacity: number;
  #level: number;
  #at = performance.now();

  constructor(perMs: number, capacity: number) {
    this.#perMs = perMs;
    this.#capacity = capacity;
    this.#level = capacity;
  }

  /** Takes `count` unless the bucket is empty: then it returns for how many milliseconds it will be. */
  take(count: number): number {
    const now = performance.now();
    this.#level = Math.min(this.#capacity, this.#level + (now - this.#at) * this.#perMs);
    this.#at = now;
    if (this.#level < Math.max(count, 1)) return (Math.max(count, 1) - this.#level) / this.#perMs;
    this.#level -= count;
    return 0;
  }

  spend(count: number): void {
    this.#level -= count;
  }
}

function refuseUntil(ms: number, limit: string): void {
  if (ms === 0) return;
  throw new LayerdError("TOOMANYREQUESTS", `a client may have ${limit}; try again later`, {
    headers: { "Retry-After": String(Math.ceil(ms / SECOND)) },
  });
}

/** Sees what is handed to the request, whoever reads it, without reading itself: that would make it flow. */
function countBody(req: IncomingMessage, count: (bytes: number) => void): void {
  const push = req.push.bind(req);
  req.push = (chunk: Buffer | null, encoding?: BufferEncoding) => {
    if (chunk !== null) count(chunk.length);
    return push(chunk, encoding);
  };
}
