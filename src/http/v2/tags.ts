import { LayerdError } from "../../core/errors.ts";
import { replyJson } from "../reply.ts";
import type { Call } from "../request-context.ts";
import type { Service } from "../service.ts";
import { linkToNext, pageOf } from "./pages.ts";

/** `GET /v2/{name}/tags/list` (distribution-spec §Listing Tags). */
export async function listTags(service: Service, ctx: Call): Promise<void> {
  const { repository } = ctx.layerd;
  await ctx.layerd.allow("list");
  const { limit, after } = pageOf(ctx);
  if (!(await service.registry.repositories.exists(repository))) {
    throw new LayerdError("NAME_UNKNOWN", undefined, { detail: { name: repository } });
  }
  const { items, next } = await service.registry.manifests.tags(repository, {
    limit: Math.max(limit, 1),
    ...(after === undefined ? {} : { after }),
  });
  // "When `n` is zero, this endpoint MUST return an empty list, and MUST NOT include a `Link` header."
  const tags = limit === 0 ? [] : items.map(({ tag }) => tag);
  const fields = limit === 0 ? [] : linkToNext(service, ctx, limit, next);
  replyJson(ctx, 200, { name: repository, tags }, fields);
}
