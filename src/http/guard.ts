import type { IncomingMessage } from "node:http";
import { LayerdError } from "../core/errors.ts";
import type { Call } from "./request-context.ts";

export interface GuardOptions {
  /** Names that the server answers to besides the loopback ones. */
  readonly allowedHosts: readonly string[];
  /** Origins whose pages may read and change, such as `https://app.example.com`. */
  readonly allowedOrigins: readonly string[];
  readonly trustProxy: boolean;
}

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);
const LOOPBACK_NAME = /^(?:localhost|[a-z0-9-]+\.localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;
const LOOPBACK_ADDRESS = /^(?:127\.|::1$|::ffff:127\.)/;
// Names seen are remembered, so that the check costs a look-up; a stranger cannot make the set grow.
const HOSTS_REMEMBERED = 100;

/** What browsers may do. Any web page can send requests to a server on its reader's own machine. */
export class Guard {
  readonly #hosts: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;
  readonly #trustProxy: boolean;
  readonly #known = new Set<string>();

  constructor(options: GuardOptions) {
    this.#hosts = new Set(options.allowedHosts.map((host) => host.toLowerCase()));
    this.#origins = new Set(options.allowedOrigins.map((origin) => origin.toLowerCase()));
    this.#trustProxy = options.trustProxy;
  }

  /** @throws HOST_UNKNOWN, ORIGIN_FOREIGN */
  check(ctx: Call): void {
    this.#checkHost(ctx);
    const origin = ctx.req.headers.origin;
    if (origin !== undefined) this.#checkOrigin(ctx, origin.toLowerCase());
  }

  /** The answer to a CORS preflight of an allowed origin; `undefined` for every other request. */
  preflight(ctx: Call): string[] | undefined {
    if (ctx.req.method !== "OPTIONS" || ctx.req.headers["access-control-request-method"] === undefined)
      return;
    if (!this.#origins.has((ctx.req.headers.origin ?? "").toLowerCase())) return;
    return [
      ...["Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE"],
      ...["Access-Control-Allow-Headers", ctx.get("Access-Control-Request-Headers") || "*"],
      ...["Access-Control-Max-Age", "600"],
    ];
  }

  /** A name that resolves to loopback is not enough: DNS rebinding makes any name do so. */
  #checkHost(ctx: Call): void {
    const host = askedHost(ctx.req);
    if (host === undefined) requireHost(ctx.req);
    if (host === undefined || this.#known.has(host)) return;
    const local = LOOPBACK_ADDRESS.test(ctx.req.socket.localAddress ?? "");
    const name = host.toLowerCase().replace(/:\d+$/, "");
    if (
      local &&
      !LOOPBACK_NAME.test(name) &&
      !this.#hosts.has(name) &&
      !this.#hosts.has(host.toLowerCase())
    ) {
      throw new LayerdError("HOST_UNKNOWN", `this server does not answer for ${JSON.stringify(host)}`, {
        detail: { hint: "use localhost, or name the host in allowedHosts (--allowed-host)" },
      });
    }
    if (local && this.#known.size < HOSTS_REMEMBERED) this.#known.add(host);
  }

  #checkOrigin(ctx: Call, origin: string): void {
    if (this.#origins.has(origin)) {
      ctx.layerd.fields.push("Access-Control-Allow-Origin", origin, "Vary", "Origin");
      ctx.layerd.fields.push("Access-Control-Expose-Headers", EXPOSED);
      return;
    }
    if (SAFE_METHODS.has(ctx.method) || this.#isOwn(ctx, origin)) return;
    throw new LayerdError(
      "ORIGIN_FOREIGN",
      `a page of ${origin.slice(0, 200)} may not change anything here`,
      {
        detail: { hint: "name the origin in allowedOrigins (--allowed-origin) if it may" },
      },
    );
  }

  #isOwn(ctx: Call, origin: string): boolean {
    const forwarded = this.#trustProxy ? ctx.req.headers["x-forwarded-host"] : undefined;
    const host = (forwarded ?? askedHost(ctx.req) ?? "").toString().toLowerCase();
    return origin === `http://${host}` || origin === `https://${host}`;
  }
}

/** HTTP/1.0 needs no Host, and no browser leaves it out (RFC 9112 §3.2). @throws REQUEST_INVALID */
function requireHost(req: IncomingMessage): void {
  if (req.httpVersionMajor === 1 && req.httpVersionMinor === 0) return;
  throw new LayerdError("REQUEST_INVALID", "the request names no Host");
}

// RFC 9112 §3.2.2: what a request-target in absolute form names counts, whatever Host says.
const ABSOLUTE_FORM = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i;

/** @throws REQUEST_INVALID for more than one Host (RFC 9112 §3.2), of which others may have looked at the other. */
function askedHost(req: IncomingMessage): string | undefined {
  const { rawHeaders, url = "/" } = req;
  if (req.httpVersionMajor === 2) return askedAuthority(req);
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.length === 4 && rawHeaders[i]?.toLowerCase() === "host") hosts += 1;
  }
  if (hosts > 1) throw new LayerdError("REQUEST_INVALID", "the request names more than one Host");
  return url.startsWith("/") ? req.headers.host : (ABSOLUTE_FORM.exec(url)?.[1] ?? req.headers.host);
}

/** RFC 9113 §8.3.1: clients name the host in `:authority`; one that passes HTTP/1.1 on may use Host. @throws REQUEST_INVALID */
function askedAuthority({ headers }: IncomingMessage): string | undefined {
  const authority = headers[":authority"]?.toString();
  const { host } = headers;
  if (authority !== undefined && host !== undefined && authority.toLowerCase() !== host.toLowerCase()) {
    throw new LayerdError("REQUEST_INVALID", "the request names one host in :authority and another in Host");
  }
  return authority ?? host;
}

const EXPOSED = [
  "Accept-Ranges, Content-Disposition, Content-Location, Content-Range, Docker-Content-Digest, ETag, Link",
  "Docker-Upload-UUID, OCI-Chunk-Min-Length, OCI-Filters-Applied, OCI-Subject, OCI-Tag, Range",
  "Location, Upload-Complete, Upload-Draft-Interop-Version, Upload-Length, Upload-Limit, Upload-Offset",
  "X-Request-Id",
].join(", ");
