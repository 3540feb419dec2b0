import type { Call } from "../request-context.ts";
import type { Service } from "../service.ts";

// Names on one page, also when a client asks for more, or for all.
const MOST = 10_000;

/** Reads `?n=&last=`. A large `n` is clamped, 0 is allowed, and what is no number of names counts as not given. */
export function pageOf(ctx: Call): { readonly limit: number; readonly after: string | undefined } {
  const n = first(ctx.query.n);
  const limit = n !== undefined && /^\d+$/.test(n) ? Math.min(Number(n), MOST) : MOST;
  return { limit, after: first(ctx.query.last) };
}

/** RFC 8288: where the next page is. */
export function linkToNext(service: Service, ctx: Call, limit: number, next: string | undefined): string[] {
  if (next === undefined) return [];
  const query = new URLSearchParams({ n: String(limit), last: next });
  return ["Link", `<${service.links.to(ctx, ctx.path)}?${query}>; rel="next"`];
}

/** Of a parameter that was given more than once, the first. */
export function first(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === "string" || value === undefined ? value : value[0];
}
