import type { Call } from "./request-context.ts";

// RFC 3986 §3.3: characters of a path; nothing that could end the path or begin another host.
const PREFIX = /^(?:\/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)+\/?$/;

/**
 * The path under which this server's root is reached: the mount path inside a host application, and, where a
 * proxy is trusted, the part of the path that it has stripped. Without a trailing slash.
 */
function prefixOf(ctx: Call, trustProxy: boolean): string {
  const forwarded = trustProxy ? ctx.get("X-Forwarded-Prefix") : "";
  const stripped = PREFIX.test(forwarded) && !forwarded.startsWith("//") ? forwarded.replace(/\/$/, "") : "";
  return stripped + mountPath(ctx);
}

/** Whoever mounted the middleware has shortened `url`, and left `originalUrl` as it came. */
function mountPath(ctx: Call): string {
  const [original = ""] = ctx.originalUrl.split("?");
  const [path = ""] = ctx.url.split("?");
  if (original.endsWith(path)) return original.slice(0, original.length - path.length).replace(/\/$/, "");
  return path === "/" ? original.replace(/\/$/, "") : "";
}

/** Links within this server. Relative to the host, so that no proxy can make them wrong. */
export class Links {
  readonly #trustProxy: boolean;

  constructor(options: { trustProxy: boolean }) {
    this.#trustProxy = options.trustProxy;
  }

  to(ctx: Call, path: string): string {
    return prefixOf(ctx, this.#trustProxy) + path;
  }
}
