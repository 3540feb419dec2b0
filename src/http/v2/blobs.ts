import { type Awaitable, andThen } from "../../core/awaitable.ts";
import { checkReadPreconditions } from "../../core/conditional.ts";
import { parseDigest } from "../../core/digest.ts";
import { type Content, serveAndClose } from "../content.ts";
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
      const content = { handle, etag: `"${digest}"`, mediaType, fields };
      // What is at hand is sent sooner than the client gets anywhere else.
      if (service.elsewhere === undefined || ctx.method === "HEAD" || handle.bytes !== undefined) {
        return serveAndClose(ctx, content);
      }
      return sendElsewhere(service.elsewhere, ctx, content);
    }),
  );
}

/** distribution-spec §Pulling blobs lets a registry redirect. Preconditions are still answered from here. */
async function sendElsewhere(
  elsewhere: NonNullable<Service["elsewhere"]>,
  ctx: Call,
  content: Content,
): Promise<void> {
  const { handle, etag } = content;
  if (checkReadPreconditions(ctx.req.headers, etag) === "not modified")
    return await serveAndClose(ctx, content);
  const url = await elsewhere(handle.digest);
  if (url === undefined) return await serveAndClose(ctx, content);
  await handle.close();
  reply(ctx, 307, ["Location", url, "Docker-Content-Digest", handle.digest, "Cache-Control", "no-store"]);
}

/** `DELETE /v2/{name}/blobs/{digest}`: the blob is gone from this repository (distribution-spec §Deleting Blobs). */
export async function deleteBlob(service: Service, ctx: Call, target: string): Promise<void> {
  const digest = parseDigest(target);
  await ctx.layerd.allow("delete", { digest });
  await service.registry.layers.delete(ctx.layerd, digest);
  reply(ctx, 202, []);
}
