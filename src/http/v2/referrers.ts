import { parseDigest } from "../../core/digest.ts";
import { MEDIA_TYPE } from "../../core/media-type.ts";
import { reply } from "../reply.ts";
import type { Call } from "../request-context.ts";
import type { Service } from "../service.ts";
import { first } from "./pages.ts";

/**
 * `GET /v2/{name}/referrers/{digest}` (distribution-spec §Listing Referrers): an image index of what refers to
 * a manifest. Never 404: that would tell the client that there is no such API.
 */
export async function getReferrers(service: Service, ctx: Call, target: string): Promise<void> {
  const digest = parseDigest(target);
  await ctx.layerd.allow("pull", { digest });
  // No media type has a space: it is the plus sign of `…+json`, from a client that did not encode it.
  const artifactType = first(ctx.query.artifactType)?.replaceAll(" ", "+") || undefined;
  const after = Number(first(ctx.query.last));
  const page = await service.registry.referrers.page(ctx.layerd.repository, digest, {
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(Number.isSafeInteger(after) ? { after } : {}),
  });
  const index = { schemaVersion: 2, mediaType: MEDIA_TYPE.index, manifests: page.descriptors };
  reply(
    ctx,
    200,
    [
      ...["Content-Type", MEDIA_TYPE.index, "Cache-Control", "no-store", "X-Content-Type-Options", "nosniff"],
      ...(artifactType === undefined ? [] : ["OCI-Filters-Applied", "artifactType"]),
      ...linkToNext(service, ctx, artifactType, page.next),
    ],
    JSON.stringify(index),
  );
}

function linkToNext(
  service: Service,
  ctx: Call,
  artifactType: string | undefined,
  next: number | undefined,
): string[] {
  if (next === undefined) return [];
  const query = new URLSearchParams(artifactType === undefined ? {} : { artifactType });
  query.set("last", String(next));
  return ["Link", `<${service.links.to(ctx, ctx.path)}?${query}>; rel="next"`];
}
