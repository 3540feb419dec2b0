import type { Digest } from "../core/digest.ts";
import type { Reference } from "../registry/manifests.ts";
import type { Call } from "./request-context.ts";
import type { Service } from "./service.ts";

/** What is stored came from strangers: it is never to run as a page of this server. */
export const AS_A_FILE = [
  ...["X-Content-Type-Options", "nosniff"],
  ...["Content-Security-Policy", "sandbox; default-src 'none'"],
] as const;

/** `Cache-Control` of what an address with a digest in it stands for. */
export function neverChanges(service: Service): string {
  return `${service.cacheScope}, max-age=31536000, immutable`;
}

/** What describes a manifest that is served. A tag may move: whoever keeps a copy must ask again (`no-cache`). */
export function manifestFields(service: Service, ctx: Call, reference: Reference, digest: Digest): string[] {
  return [
    ...ctx.layerd.fields,
    ...["Docker-Content-Digest", digest, "X-Content-Type-Options", "nosniff"],
    "Cache-Control",
    "tag" in reference ? `${service.cacheScope}, no-cache` : neverChanges(service),
  ];
}
