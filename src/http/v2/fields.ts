import type { Service } from "../service.ts";

/** What is stored came from strangers: it is never to run as a page of this server. */
export const AS_A_FILE = [
  ...["X-Content-Type-Options", "nosniff"],
  ...["Content-Security-Policy", "sandbox; default-src 'none'"],
] as const;

/** `Cache-Control` of what an address with a digest in it stands for. */
export function neverChanges(service: Service): string {
  return `${service.cacheScope}, max-age=31536000, immutable`;
}
