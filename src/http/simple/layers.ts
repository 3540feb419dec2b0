import { type Awaitable, andThen } from "../../core/awaitable.ts";
import type { Digest } from "../../core/digest.ts";
import { isLayerdError, type LayerdError, withHeaders } from "../../core/errors.ts";
import type { BlobEntry } from "../../index/port.ts";
import { serveAndClose } from "../content.ts";
import { AS_A_FILE, neverChanges } from "../fields.ts";
import { lookOf } from "../look.ts";
import { reply, replyJson } from "../reply.ts";
import type { Call } from "../request-context.ts";
import type { Service } from "../service.ts";
import { layerId } from "./ids.ts";
import { disposition, layerView } from "./layer-view.ts";
import { nextPage, pageRequest } from "./pages.ts";

/** `GET`, `HEAD /layer/{id}`: the bytes, by the one implementation of ranges and preconditions. */
export function getLayer(service: Service, ctx: Call, id: string): Awaitable<void> {
  const digest = layerId(id);
  return andThen(ctx.layerd.allow("pull", { digest }), () =>
    ctx.req.method === "HEAD" ? headLayer(service, ctx, digest) : sendLayer(service, ctx, digest),
  );
}

function sendLayer(service: Service, ctx: Call, digest: Digest): Awaitable<void> {
  return andThen(
    service.registry.layers.open(ctx.layerd.repository, digest, lookOf(ctx)),
    ({ entry, handle }) => {
      const fields = contentFields(service, ctx, entry);
      return serveAndClose(ctx, { handle, etag: `"${digest}"`, mediaType: entry.mediaType, fields });
    },
  );
}

/** A HEAD for a layer that is still arriving tells its owner where to go on. */
async function headLayer(service: Service, ctx: Call, digest: Digest): Promise<void> {
  try {
    await sendLayer(service, ctx, digest);
  } catch (error) {
    const here = !isLayerdError(error, "BLOB_UNKNOWN");
    const offset = here ? 0 : await service.registry.uploads.progress(ctx.layerd, digest);
    if (offset === 0) throw error;
    throw withHeaders(error as LayerdError, { "Upload-Offset": String(offset), "Upload-Complete": "?0" });
  }
}

function contentFields(service: Service, ctx: Call, entry: BlobEntry): string[] {
  return [
    ...ctx.layerd.fields,
    "Cache-Control",
    neverChanges(service),
    "Content-Disposition",
    disposition(entry),
    ...AS_A_FILE,
  ];
}

/** `DELETE /layer/{id}` */
export async function deleteLayer(service: Service, ctx: Call, id: string): Promise<void> {
  const digest = layerId(id);
  await ctx.layerd.allow("delete", { digest });
  await service.registry.layers.delete(ctx.layerd, digest);
  reply(ctx, 204, []);
}

/** `GET /layer` */
export async function listLayers(service: Service, ctx: Call): Promise<void> {
  await ctx.layerd.allow("list");
  const request = pageRequest(ctx);
  const page = await service.registry.layers.list(ctx.layerd.repository, request);
  const { body, fields } = nextPage(service, ctx, { limit: request.limit, next: page.next });
  replyJson(ctx, 200, { layers: page.items.map(layerView), ...body }, fields);
}
