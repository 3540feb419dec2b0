import { type Awaitable, andThen } from "../../core/awaitable.ts";
import { isDigest, parseDigest } from "../../core/digest.ts";
import { parseTag, type Tag } from "../../core/name.ts";
import type { Reference } from "../../registry/manifests.ts";
import type { PushedManifest } from "../../registry/push.ts";
import { serveAndClose } from "../content.ts";
import { manifestFields } from "../fields.ts";
import { MANIFEST_LOOK } from "../look.ts";
import { reply } from "../reply.ts";
import type { Call } from "../request-context.ts";
import type { Service } from "../service.ts";
import { checkManifest, guardTag } from "./guards.ts";
import { readManifest } from "./manifest-body.ts";

/**
 * `GET`, `HEAD /v2/{name}/manifests/{tag or digest}` (distribution-spec §Pulling manifests): what was pushed,
 * whatever the client says it accepts. No manifest is turned into another one: its digest would not be true.
 */
export function getManifest(service: Service, ctx: Call, target: string): Awaitable<void> {
  const reference = parseReference(target);
  return andThen(ctx.layerd.allow("pull", reference), () =>
    andThen(
      service.registry.manifests.open(ctx.layerd.repository, reference, MANIFEST_LOOK),
      ({ entry, handle }) => {
        const { digest, mediaType } = entry;
        const fields = manifestFields(service, ctx, reference, digest);
        return serveAndClose(ctx, { handle, etag: `"${digest}"`, mediaType, fields });
      },
    ),
  );
}

/** `PUT /v2/{name}/manifests/{tag or digest}` (distribution-spec §Pushing Manifests). */
export async function putManifest(service: Service, ctx: Call, target: string): Promise<void> {
  const reference = parseReference(target);
  const tags = [...("tag" in reference ? [reference.tag] : []), ...tagParameters(ctx)];
  await ctx.layerd.allow("push", reference);
  for (const tag of tags) await ctx.layerd.allow("push", { tag });
  const { pusher } = service.registry;
  const bytes = await readManifest(ctx, pusher.limit(ctx.layerd.repository));
  const pushed = await pusher.push(ctx.layerd, {
    bytes,
    contentType: ctx.req.headers["content-type"],
    digest: "digest" in reference ? reference.digest : undefined,
    tags: [...new Set(tags)],
    guards: await guardsFor(service, ctx, reference),
  });
  created(service, ctx, pushed);
}

function created(service: Service, ctx: Call, { digest, manifest }: PushedManifest): void {
  const { repository } = ctx.layerd;
  ctx.layerd.digest = digest;
  const tags = tagParameters(ctx);
  reply(ctx, 201, [
    ...["Location", service.links.to(ctx, `/v2/${repository}/manifests/${digest}`)],
    ...["Docker-Content-Digest", digest, "ETag", `"${digest}"`],
    ...(manifest.subject === undefined ? [] : ["OCI-Subject", manifest.subject.digest]),
    ...(tags.length === 0 ? [] : ["OCI-Tag", tags.join(", ")]),
  ]);
}

/** distribution-spec end-7b: tags to be set together with the manifest. */
function tagParameters(ctx: Call): Tag[] {
  return [...new Set([ctx.query.tag ?? []].flat().map(parseTag))];
}

/** `DELETE`: a tag alone, or a manifest with its tags (distribution-spec §Content Management). */
export async function deleteManifest(service: Service, ctx: Call, target: string): Promise<void> {
  const reference = parseReference(target);
  await ctx.layerd.allow("delete", reference);
  const { manifests } = service.registry;
  const guards = await guardsFor(service, ctx, reference);
  if ("tag" in reference) await manifests.untag(ctx.layerd, reference.tag, guards);
  else await manifests.delete(ctx.layerd, reference);
  reply(ctx, 202, []);
}

async function guardsFor(service: Service, ctx: Call, reference: Reference) {
  if ("tag" in reference) return await guardTag(service, ctx, reference.tag);
  await checkManifest(service, ctx, reference.digest);
  return [];
}

/** @throws DIGEST_INVALID, TAG_INVALID */
function parseReference(target: string): Reference {
  if (isDigest(target)) return { digest: target };
  // A tag has no colon: this is meant to be a digest, and the error is to say what is wrong with it.
  return target.includes(":") ? { digest: parseDigest(target) } : { tag: parseTag(target) };
}
