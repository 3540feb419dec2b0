import type { UploadId } from "../../blobs/port.ts";
import { DIGEST_ALGORITHMS, type Digest, type DigestAlgorithm, parseDigest } from "../../core/digest.ts";
import { isLayerdError, LayerdError, withHeaders } from "../../core/errors.ts";
import { parseRepositoryName } from "../../core/name.ts";
import type { StoredLayer } from "../../registry/layers.ts";
import { acceptBody, hasBody } from "../body.ts";
import { reply } from "../reply.ts";
import type { Call } from "../request-context.ts";
import type { Service } from "../service.ts";
import { partOf } from "./chunk.ts";
import { first } from "./pages.ts";

// Bytes. Each chunk is made durable before it is answered, which costs as much for a small one as for a large one.
// Smaller ones are taken all the same (distribution-spec §Pushing a blob in chunks).
const CHUNK_MIN_LENGTH = "65536";

/** `POST /v2/{name}/blobs/uploads/`: mounts a blob, takes a whole one, or opens a session. */
export async function openUpload(service: Service, ctx: Call): Promise<void> {
  await ctx.layerd.allow("push");
  const { mount, digest } = ctx.query;
  if (mount !== undefined) return await mountBlob(service, ctx, parseDigest(first(mount) ?? ""));
  if (digest !== undefined) return await pushWhole(service, ctx, parseDigest(first(digest) ?? ""));
  await openSession(service, ctx);
}

/** distribution-spec §Mounting a blob from another repository. What cannot be mounted can be pushed. */
async function mountBlob(service: Service, ctx: Call, digest: Digest): Promise<void> {
  const from = first(ctx.query.from);
  const mounted = from ? await mountFrom(service, ctx, digest, from) : await mountAny(service, ctx, digest);
  if (mounted === undefined) await openSession(service, ctx);
  else created(service, ctx, mounted);
}

async function mountFrom(service: Service, ctx: Call, digest: Digest, text: string) {
  const from = parseRepositoryName(text);
  if (!(await ctx.layerd.may("pull", from, { digest }))) return undefined;
  return await service.registry.mounts.from(ctx.layerd, digest, from);
}

async function mountAny(service: Service, ctx: Call, digest: Digest) {
  return service.everybodyReads ? await service.registry.mounts.fromAnywhere(ctx.layerd, digest) : undefined;
}

/** distribution-spec §Single POST. */
async function pushWhole(service: Service, ctx: Call, digest: Digest): Promise<void> {
  const body = acceptBody(ctx);
  const size = body.length === undefined ? {} : { size: body.length };
  created(
    service,
    ctx,
    await service.registry.layers.store(ctx.layerd, body, { digests: [digest], ...size }),
  );
}

async function openSession(service: Service, ctx: Call): Promise<void> {
  const { layers, sessions } = service.registry;
  // Refuses where nothing may be pushed, before anything is sent.
  layers.maxSize(ctx.layerd.repository);
  const id = await sessions.open(ctx.layerd, algorithmOf(ctx));
  const fields = sessionFields(service, ctx, id, 0);
  reply(ctx, 202, [...fields, "Docker-Upload-UUID", id, "OCI-Chunk-Min-Length", CHUNK_MIN_LENGTH]);
}

/** distribution-spec end-4c. @throws DIGEST_INVALID */
function algorithmOf(ctx: Call): DigestAlgorithm | undefined {
  const name = first(ctx.query["digest-algorithm"]);
  const algorithm = DIGEST_ALGORITHMS.find((one) => one === name);
  if (name === undefined || algorithm !== undefined) return algorithm;
  throw new LayerdError(
    "DIGEST_INVALID",
    `the algorithm ${JSON.stringify(name.slice(0, 50))} is not supported`,
    {
      detail: { supported: DIGEST_ALGORITHMS },
    },
  );
}

/** `PATCH`: a chunk, or with no `Content-Range` a stream of any length (distribution-spec §Pushing a blob in chunks). */
export async function patchUpload(service: Service, ctx: Call, target: string): Promise<void> {
  await ctx.layerd.allow("push");
  const id = uploadId(target);
  const body = acceptBody(ctx);
  const part = partOf(ctx, body.length);
  await located(service, ctx, id, async () => {
    const { offset } = await service.registry.sessions.append(ctx.layerd, id, body, part);
    reply(ctx, 202, [...sessionFields(service, ctx, id, offset), "Docker-Upload-UUID", id]);
  });
}

/** `PUT`: the end of a session, maybe with its last chunk, or with all there is. */
export async function finishUpload(service: Service, ctx: Call, target: string): Promise<void> {
  const text = first(ctx.query.digest);
  if (text === undefined) {
    throw new LayerdError("DIGEST_INVALID", "the digest of the whole blob is missing: add ?digest=");
  }
  const digest = parseDigest(text);
  await ctx.layerd.allow("push", { digest });
  const id = uploadId(target);
  const body = acceptBody(ctx);
  const part = partOf(ctx, body.length ?? (hasBody(ctx) ? undefined : 0));
  await located(service, ctx, id, async () => {
    const layer = await service.registry.sessions.finish(ctx.layerd, id, body, { ...part, digest });
    created(service, ctx, layer);
  });
}

/** `GET`: how much has arrived. */
export async function uploadStatus(service: Service, ctx: Call, target: string): Promise<void> {
  await ctx.layerd.allow("push");
  const id = uploadId(target);
  const offset = await service.registry.sessions.offset(ctx.layerd, id);
  reply(ctx, 204, [...sessionFields(service, ctx, id, offset), "Docker-Upload-UUID", id]);
}

/** `DELETE` (distribution-spec §Cancel a blob upload). */
export async function cancelUpload(service: Service, ctx: Call, target: string): Promise<void> {
  await ctx.layerd.allow("push");
  await service.registry.sessions.cancel(ctx.layerd, uploadId(target));
  reply(ctx, 204, []);
}

function created(service: Service, ctx: Call, { digest }: StoredLayer): void {
  ctx.layerd.digest = digest;
  const location = service.links.to(ctx, `/v2/${ctx.layerd.repository}/blobs/${digest}`);
  reply(ctx, 201, ["Location", location, "Docker-Content-Digest", digest]);
}

/** A chunk that does not fit tells the client where to go on. */
async function located(service: Service, ctx: Call, id: UploadId, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isLayerdError(error, "OFFSET_MISMATCH")) throw error;
    const { expected } = error.detail as { readonly expected: number };
    throw withHeaders(error, Object.fromEntries(pairs(sessionFields(service, ctx, id, expected))));
  }
}

function pairs(fields: readonly string[]): [string, string][] {
  return fields.flatMap((name, at) => (at % 2 === 0 ? [[name, fields[at + 1] ?? ""]] : []));
}

/** `Range` names the last byte, so that an empty upload looks like one of a byte: every registry says so. */
function sessionFields(service: Service, ctx: Call, id: UploadId, offset: number): string[] {
  const location = service.links.to(ctx, `/v2/${ctx.layerd.repository}/blobs/uploads/${id}`);
  return ["Location", location, "Range", `0-${Math.max(offset - 1, 0)}`];
}

const UPLOAD_ID = /^[a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}$/;

/** @throws BLOB_UPLOAD_UNKNOWN for what no session was ever called */
function uploadId(text: string): UploadId {
  if (UPLOAD_ID.test(text)) return text as UploadId;
  throw new LayerdError("BLOB_UPLOAD_UNKNOWN");
}
