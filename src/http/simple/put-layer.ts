import { parseContentRange } from "../../core/content-range.ts";
import { type Digest, digestOfId } from "../../core/digest.ts";
import { LayerdError } from "../../core/errors.ts";
import { acceptBody } from "../body.ts";
import { checkWritePreconditions } from "../content.ts";
import { replyJson } from "../reply.ts";
import type { Call } from "../request-context.ts";
import type { Service } from "../service.ts";
import { layerClaims } from "./claims.ts";
import { created } from "./post-layer.ts";

/**
 * `PUT /layer/{id}`: a layer whose digest the client knows; whole, or, with `Content-Range`, in parts
 * (RFC 9110 §14.5), which is what `curl -C OFFSET -T FILE` sends.
 */
export async function putLayer(service: Service, ctx: Call, id: string): Promise<void> {
  const digest = knownDigest(service, ctx, id);
  await ctx.layerd.allow("push", { digest });
  const before = await service.registry.layers.known(ctx.layerd.repository, digest);
  checkWritePreconditions(ctx.req.headers, before === undefined ? undefined : `"${digest}"`);
  if (ctx.req.headers["content-range"] !== undefined) return await putPart(service, ctx, digest);
  const claims = layerClaims(ctx, { whole: true, digest });
  const body = acceptBody(ctx);
  const size = body.length === undefined ? {} : { size: body.length };
  const entry = await service.registry.uploads.put(ctx.layerd, digest, body, { ...claims, ...size });
  created(service, ctx, entry, before === undefined ? 201 : 200);
}

async function putPart(service: Service, ctx: Call, digest: Digest): Promise<void> {
  const { first, last, total } = parseContentRange(ctx.get("Content-Range"));
  const length = last - first + 1;
  const announced = ctx.req.headers["content-length"];
  if (announced !== undefined && Number(announced) !== length) {
    throw new LayerdError("SIZE_INVALID", `Content-Range names ${length} bytes, Content-Length ${announced}`);
  }
  const claims = layerClaims(ctx, { whole: false, digest });
  const body = acceptBody(ctx);
  const isLast = total !== undefined && last + 1 === total;
  const state = await service.registry.uploads.putPart(ctx.layerd, digest, body, {
    ...{ at: first, length, size: total, last: isLast },
    claims: { ...claims, ...(total === undefined ? {} : { size: total }) },
  });
  if (state.layer !== undefined) {
    created(service, ctx, state.layer);
    return;
  }
  const fields = ["Upload-Offset", String(state.offset), "Upload-Complete", "?0"];
  replyJson(ctx, 202, { digest, offset: state.offset, size: state.size }, fields);
}

/** `curl -T FILE host/layer/` becomes `PUT /layer/FILE`: the error teaches the right call. */
function knownDigest(service: Service, ctx: Call, id: string): Digest {
  const digest = digestOfId(id);
  if (digest !== undefined) return digest;
  const here = service.links.to(ctx, "/layer");
  throw new LayerdError("DIGEST_INVALID", `not a layer id: ${JSON.stringify(id.slice(0, 150))}`, {
    detail: {
      expected: "sha256:<64 lower-case hex digits>, or the hex alone",
      hint: `without a digest: curl -X POST -T FILE http://HOST${here}; with one: curl -T FILE http://HOST${here}/sha256:DIGEST`,
    },
  });
}
