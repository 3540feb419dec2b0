import type { RepositoryName } from "../../core/name.ts";
import type { Page } from "../../index/port.ts";
import { replyJson } from "../reply.ts";
import type { Call } from "../request-context.ts";
import type { Service } from "../service.ts";
import { linkToNext, pageOf } from "./pages.ts";

/** `GET /v2/_catalog`: the repositories that the caller may list, as Docker's registries have it. */
export async function getCatalog(service: Service, ctx: Call): Promise<void> {
  const { limit, after } = pageOf(ctx);
  const { items, next } = limit === 0 ? { items: [] } : await visible(service, ctx, limit, after);
  replyJson(ctx, 200, { repositories: items }, linkToNext(service, ctx, limit, next));
}

/** A page without those that the caller may not list. A link is not to name them either. */
async function visible(
  service: Service,
  ctx: Call,
  limit: number,
  after: string | undefined,
): Promise<Page<RepositoryName, RepositoryName>> {
  const items: RepositoryName[] = [];
  for await (const name of service.registry.repositories.each(after, limit + 1)) {
    if (!(await ctx.layerd.may("list", name))) continue;
    const last = items.at(-1);
    if (last !== undefined && items.length === limit) return { items, next: last };
    items.push(name);
  }
  return { items };
}
