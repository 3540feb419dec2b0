import { type Awaitable, andThen } from "../../core/awaitable.ts";
import { parseDigest } from "../../core/digest.ts";
import { serveAndClose } from "../content.ts";
import { AS_A_FILE, neverChanges } from "../fields.ts";
import { lookOf } from "../look.ts";
import { reply } from "../reply.ts";
import type { Call } from "../request-context.ts";
import type { Service } from "../service.ts";

/** `GET`, `HEAD /v2/{name}/blobs/{digest}` (distribution-spec §Pulling blobs). */
export function getBlob(service: Service, ctx: Call, target: string): Awaitable<void> {
  const digest = parseDigest(target);
  return andThen(ctx.layerd.allow("pull", { digest }), () =>
    andThen(service.registry.layers.open(ctx.layerd.repository, digest, lookOf(ctx)), ({ entry, handle }) => {
      const { mediaType } = entry;
      const fields = [
        ...ctx.layerd.fields,
        ...["Docker-Content-Digest", digest, "Cache-Control", neverChanges(service)],
        ...AS_A_FILE,
      ];
      return serveAndClose(ctx, { handle, etag: `"${digest}"`, mediaType, fields });
    }),
  );
}

/** `DELETE /v2/{name}/blobs/{digest}`: the blob is gone from this repository (distribution-spec §Deleting Blobs). */
export async function deleteBlob(service: Service, ctx: Call, target: string): Promise<void> {
  const digest = parseDigest(target);
  await ctx.layerd.allow("delete", { digest });
  await service.registry.layers.delete(ctx.layerd, digest);
  reply(ctx, 202, []);
}
