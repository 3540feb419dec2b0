import type { RepositoryName } from "../../core/name.ts";
import { replyJson } from "../reply.ts";
import type { Call } from "../request-context.ts";
import type { Service } from "../service.ts";
import { linkToNext, pageOf } from "./pages.ts";

/** `GET /v2/_catalog`: the repositories that the caller may list, as Docker's registries have it. */
export async function getCatalog(service: Service, ctx: Call): Promise<void> {
  const { limit, after } = pageOf(ctx);
  const page = await service.registry.repositories.list({
    limit: Math.max(limit, 1),
    ...(after === undefined ? {} : { after }),
  });
  const repositories: RepositoryName[] = [];
  for (const name of limit === 0 ? [] : page.items) {
    if (await ctx.layerd.may("list", name)) repositories.push(name);
  }
  replyJson(ctx, 200, { repositories }, limit === 0 ? [] : linkToNext(service, ctx, limit, page.next));
}
