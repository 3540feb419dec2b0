import { LayerdError } from "../../core/errors.ts";
import type { PageRequest } from "../../index/port.ts";
import type { Call } from "../request-context.ts";
import type { Service } from "../service.ts";

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1000;

/** Reads `?n=&last=`. A size out of bounds is clamped, never refused. @throws REQUEST_INVALID */
export function pageRequest(ctx: Call): PageRequest {
  const n = whole(ctx, "n");
  const before = whole(ctx, "last");
  const limit = Math.min(Math.max(n ?? DEFAULT_LIMIT, 1), MAX_LIMIT);
  return { limit, ...(before === undefined ? {} : { before }) };
}

/** Where the next page is: in the body for programs, and as a `Link` (RFC 8288) for those who read headers. */
export function nextPage(
  service: Service,
  ctx: Call,
  page: { readonly limit: number; readonly next: number | undefined },
): { readonly body: { next?: string }; readonly fields: string[] } {
  if (page.next === undefined) return { body: {}, fields: [] };
  const next = service.links.to(ctx, `${ctx.path}?n=${page.limit}&last=${page.next}`);
  return { body: { next }, fields: ["Link", `<${next}>; rel="next"`] };
}

function whole(ctx: Call, name: string): number | undefined {
  const text = ctx.query[name];
  if (text === undefined) return undefined;
  if (typeof text === "string" && /^\d{1,15}$/.test(text)) return Number(text);
  throw new LayerdError("REQUEST_INVALID", `?${name}= takes one whole number`, {
    detail: { parameter: name, hint: "follow the Link of the page before" },
  });
}
