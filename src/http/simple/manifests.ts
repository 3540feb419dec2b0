import { koaBody } from "koa-body";
import { LayerdError } from "../../core/errors.ts";
import { type ManifestRequest, manifestRequestSchema } from "../../core/manifest-request.ts";
import { MEDIA_TYPE } from "../../core/media-type.ts";
import { validate } from "../../core/validate.ts";
import type { ManifestEntry } from "../../index/port.ts";
import { parseReference, type Reference } from "../../registry/manifests.ts";
import { acceptBody } from "../body.ts";
import { serveAndClose } from "../content.ts";
import { manifestFields } from "../fields.ts";
import { MANIFEST_LOOK } from "../look.ts";
import { reply, replyJson } from "../reply.ts";
import type { Call } from "../request-context.ts";
import type { Service } from "../service.ts";
import { nextPage, pageRequest } from "./pages.ts";

/** `POST /manifest` */
export async function postManifest(service: Service, ctx: Call): Promise<void> {
  await ctx.layerd.allow("push");
  const request = await readRequest(service, ctx);
  const { descriptor, manifest, tag } = await service.registry.composer.post(ctx.layerd, request);
  ctx.layerd.digest = descriptor.digest;
  const { digest, size, mediaType } = descriptor;
  replyJson(ctx, 201, { id: digest, digest, size, mediaType, tag, manifest }, [
    ...["Location", service.links.to(ctx, `/manifest/${digest}`)],
    ...["ETag", `"${digest}"`, "Docker-Content-Digest", digest],
  ]);
}

async function readRequest(service: Service, ctx: Call): Promise<ManifestRequest> {
  acceptBody(ctx);
  const parse = koaBody({
    jsonLimit: service.jsonLimit,
    text: false,
    urlencoded: false,
    onError: (error) => {
      throw jsonError(error, service.jsonLimit);
    },
  });
  // Whatever curl's -d calls it: this address takes JSON and nothing else.
  ctx.req.headers["content-type"] = "application/json";
  await parse(ctx, async () => undefined);
  return validate(manifestRequestSchema, ctx.request.body, "MANIFEST_INVALID");
}

function jsonError(error: Error, limit: number): LayerdError {
  const status = "status" in error ? error.status : undefined;
  if (status === 413)
    return new LayerdError("REQUEST_TOO_LARGE", `a manifest request has up to ${limit} bytes`);
  return new LayerdError("JSON_INVALID", `the body is not JSON: ${error.message}`, { cause: error });
}

/** `GET`, `HEAD /manifest/{id or tag}`: byte for byte what the digest covers. */
export async function getManifest(service: Service, ctx: Call, id: string): Promise<void> {
  const reference = parseReference(id);
  await ctx.layerd.allow("pull", reference);
  const { entry, handle } = await service.registry.manifests.open(
    ctx.layerd.repository,
    reference,
    MANIFEST_LOOK,
  );
  const fields = contentFields(service, ctx, reference, entry);
  await serveAndClose(ctx, { handle, etag: `"${entry.digest}"`, mediaType: entry.mediaType, fields });
}

/** The answer to a tag says what it stands for now. */
function contentFields(
  service: Service,
  ctx: Call,
  reference: Reference,
  { digest }: ManifestEntry,
): string[] {
  const location =
    "tag" in reference ? ["Content-Location", service.links.to(ctx, `/manifest/${digest}`)] : [];
  return [...manifestFields(service, ctx, reference, digest), ...location];
}

/** `DELETE /manifest/{id or tag}` */
export async function deleteManifest(service: Service, ctx: Call, id: string): Promise<void> {
  const reference = parseReference(id);
  await ctx.layerd.allow("delete", reference);
  await service.registry.manifests.delete(ctx.layerd, reference);
  reply(ctx, 204, []);
}

/** `GET /manifest` */
export async function listManifests(service: Service, ctx: Call): Promise<void> {
  await ctx.layerd.allow("list");
  const request = pageRequest(ctx);
  const page = await service.registry.manifests.list(ctx.layerd.repository, request);
  const { body, fields } = nextPage(service, ctx, { limit: request.limit, next: page.next });
  replyJson(ctx, 200, { manifests: page.items.map(manifestView), ...body }, fields);
}

function manifestView(entry: ManifestEntry & { readonly tags: readonly string[] }): object {
  const { digest, size, mediaType, tags, annotations, subject, createdAt } = entry;
  // An image's is that of its config, which tells nothing.
  const artifactType = entry.artifactType === MEDIA_TYPE.config ? undefined : entry.artifactType;
  return { id: digest, digest, size, mediaType, artifactType, tags, annotations, subject, createdAt };
}
