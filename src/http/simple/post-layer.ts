import { LayerdError } from "../../core/errors.ts";
import type { StagedLayer, StoredLayer } from "../../registry/layers.ts";
import { acceptBody } from "../body.ts";
import { replyJson } from "../reply.ts";
import type { Call } from "../request-context.ts";
import type { Service } from "../service.ts";
import { layerClaims } from "./claims.ts";
import { readForm } from "./form.ts";
import { layerView } from "./layer-view.ts";

/** `POST /layer`: everything but a form is one layer, byte for byte. */
export async function postLayer(service: Service, ctx: Call): Promise<void> {
  await ctx.layerd.allow("push");
  if (ctx.is("multipart/form-data")) await postForm(service, ctx);
  else await postBytes(service, ctx);
}

async function postBytes(service: Service, ctx: Call): Promise<void> {
  const claims = layerClaims(ctx, { whole: true });
  const body = acceptBody(ctx);
  const size = body.length === undefined ? {} : { size: body.length };
  const entry = await service.registry.layers.store(ctx.layerd, body, { ...claims, ...size });
  created(service, ctx, entry);
}

export function created(service: Service, ctx: Call, entry: StoredLayer, status = 201): void {
  ctx.layerd.digest = entry.digest;
  const location = service.links.to(ctx, `/layer/${entry.digest}`);
  const fields = ["Location", location, "ETag", `"${entry.digest}"`, "Docker-Content-Digest", entry.digest];
  replyJson(ctx, status, layerView(entry), fields);
}

/**
 * A form with files: each streams into the store as it arrives, none is published before all have arrived.
 */
async function postForm(service: Service, ctx: Call): Promise<void> {
  refuseDigests(ctx);
  acceptBody(ctx);
  const files: Promise<StagedLayer>[] = [];
  try {
    await readForm(ctx, (source, claims) => {
      const staged = service.registry.layers.stage(ctx.layerd, { stream: source }, claims);
      // Awaited below; until then a failure must not count as unhandled. It ends the form all the same.
      staged.catch((error: Error) => source.destroy(error));
      files.push(staged);
    });
    const staged = await Promise.all(files);
    if (staged.length === 0) {
      throw new LayerdError("REQUEST_INVALID", "the form has no file", {
        detail: { hint: "curl -F file=@FILE" },
      });
    }
    const entries: StoredLayer[] = [];
    for (const layer of staged) entries.push(await service.registry.layers.publish(ctx.layerd, layer));
    replyJson(ctx, 201, entries.map(layerView));
  } catch (error) {
    const settled = await Promise.allSettled(files);
    for (const file of settled) if (file.status === "fulfilled") await file.value.discard();
    throw error;
  }
}

function refuseDigests(ctx: Call): void {
  if (ctx.query.digest === undefined && ctx.get("Content-Digest") === "" && ctx.get("Repr-Digest") === "")
    return;
  throw new LayerdError("REQUEST_INVALID", "a digest cannot be given for a form: send the file as the body");
}
