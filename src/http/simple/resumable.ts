import type { UploadId } from "../../blobs/port.ts";
import { isLayerdError, LayerdError, withHeaders } from "../../core/errors.ts";
import { parseBooleanItem, parseIntegerItem } from "../../core/structured.ts";
import type { AppendRequest, UploadState } from "../../registry/upload-state.ts";
import { acceptBody } from "../body.ts";
import { reply, replyJson } from "../reply.ts";
import type { Call } from "../request-context.ts";
import type { Service } from "../service.ts";
import { layerClaims } from "./claims.ts";
import { layerView } from "./layer-view.ts";

/*
 * "Resumable Uploads for HTTP", draft-ietf-httpbis-resumable-upload-05: the newest version that a client in
 * wide use speaks (tus-js-client, `protocol: "ietf-draft-05"`). Section names below are that draft's.
 */

/** §Upload Creation: the version that both sides must name before an interim response is sent. */
export const INTEROP_VERSION = "6";
export const PARTIAL_UPLOAD = "application/partial-upload";

/** Whether a `POST /layer` asks for a resumable upload. A form is not one layer, so it is taken as it always is. */
export function asksForResumable(ctx: Call): boolean {
  if (ctx.req.headers["upload-complete"] === undefined) return false;
  if (ctx.is("multipart/form-data")) return refuseForm(ctx);
  const version = ctx.get("Upload-Draft-Interop-Version");
  if (version === "" || version === INTEROP_VERSION) return true;
  // A client of another version whose request is whole may have it as an ordinary one (§Upgrading).
  if (completes(ctx)) return false;
  throw new LayerdError(
    "REQUEST_INVALID",
    `Upload-Draft-Interop-Version ${version.slice(0, 20)} is not spoken here`,
    {
      detail: { supported: INTEROP_VERSION },
      headers: { "Upload-Draft-Interop-Version": INTEROP_VERSION },
    },
  );
}

function refuseForm(ctx: Call): false {
  if (completes(ctx)) return false;
  throw new LayerdError(
    "UNSUPPORTED_MEDIA_TYPE",
    "a form cannot be sent in parts: send the file as the body",
  );
}

/** §Upload Creation. */
export async function createUpload(service: Service, ctx: Call): Promise<void> {
  await ctx.layerd.allow("push");
  refuse(ctx, ["upload-offset"]);
  const last = completes(ctx);
  const length = contentLength(ctx);
  const size = agreedLength(byteCount(ctx, "Upload-Length"), last ? length : undefined);
  const claims = { ...layerClaims(ctx, { whole: last }), ...(size === undefined ? {} : { size }) };
  refuseTooLarge(service, ctx, size);
  const body = acceptBody(ctx);
  const upload = await service.registry.uploads.create(ctx.layerd, claims);
  const location = uploadLocation(service, ctx, upload);
  announce(service, ctx, location);
  const request = { at: 0, length, size, last };
  const state = await service.registry.uploads
    .append(ctx.layerd, upload.id, body, request)
    .catch((error: unknown) => {
      // What has arrived is there to be continued, or cancelled, if the upload has not ended.
      const goesOn = isLayerdError(error) && error.headers["Upload-Offset"] !== undefined;
      throw goesOn ? withHeaders(error, { Location: location }) : error;
    });
  await progressed(service, ctx, state, ["Location", location]);
}

/** §Offset Retrieval. */
export async function uploadOffset(service: Service, ctx: Call, id: string): Promise<void> {
  await ctx.layerd.allow("push");
  refuse(ctx, ["upload-offset", "upload-complete", "upload-length"]);
  const state = await service.registry.uploads.state(ctx.layerd, uploadId(id));
  const limit = ["Upload-Limit", sizeLimit(service, ctx)];
  reply(ctx, 204, [...stateFields(service, ctx, state), ...limit, "Cache-Control", "no-store"]);
}

/** §Upload Append. */
export async function appendUpload(service: Service, ctx: Call, id: string): Promise<void> {
  await ctx.layerd.allow("push");
  // Not `ctx.is`, for which a request without a body has no type: a part may be empty.
  if (mediaTypeOf(ctx) !== PARTIAL_UPLOAD) {
    throw new LayerdError("UNSUPPORTED_MEDIA_TYPE", `a part is sent as Content-Type: ${PARTIAL_UPLOAD}`, {
      headers: { "Accept-Patch": PARTIAL_UPLOAD },
    });
  }
  const at = byteCount(ctx, "Upload-Offset");
  if (at === undefined) throw new LayerdError("BLOB_UPLOAD_INVALID", "Upload-Offset is missing");
  const last = ctx.req.headers["upload-complete"] !== undefined && completes(ctx);
  const body = acceptBody(ctx);
  const size = agreedLength(
    byteCount(ctx, "Upload-Length"),
    last && body.length !== undefined ? at + body.length : undefined,
  );
  const request: AppendRequest = { at, length: body.length, size, last };
  const state = await service.registry.uploads.append(ctx.layerd, uploadId(id), body, request);
  await progressed(service, ctx, state, []);
}

/** §Upload Cancellation. */
export async function cancelUpload(service: Service, ctx: Call, id: string): Promise<void> {
  await ctx.layerd.allow("push");
  refuse(ctx, ["upload-offset", "upload-complete"]);
  await service.registry.uploads.cancel(ctx.layerd, uploadId(id));
  reply(ctx, 204, []);
}

/** `OPTIONS /layer` and `OPTIONS *`: §Upload-Limit. */
export function uploadOptions(service: Service, ctx: Call, allow: string): void {
  reply(ctx, 204, [
    "Allow",
    allow,
    "Upload-Limit",
    uploadLimit(service, ctx),
    "Accept-Patch",
    PARTIAL_UPLOAD,
  ]);
}

/** The interim response tells the client where to resume before it has sent its body. */
function announce(service: Service, ctx: Call, location: string): void {
  if (ctx.get("Upload-Draft-Interop-Version") !== INTEROP_VERSION) return;
  // RFC 9110 §15.2: HTTP/1.0 knows no interim responses.
  if (ctx.req.httpVersion === "1.0") return;
  const limit = uploadLimit(service, ctx);
  ctx.res.writeInformation(104, {
    "Upload-Draft-Interop-Version": INTEROP_VERSION,
    Location: location,
    "Upload-Limit": limit,
  });
}

async function progressed(service: Service, ctx: Call, state: UploadState, fields: string[]): Promise<void> {
  const all = [...fields, ...stateFields(service, ctx, state), "Upload-Limit", uploadLimit(service, ctx)];
  if (state.layer === undefined) {
    replyJson(ctx, 201, { offset: state.offset, size: state.size }, all);
    return;
  }
  const { digest } = state.layer;
  ctx.layerd.digest = digest;
  replyJson(ctx, 201, layerView(state.layer), [...all, "Docker-Content-Digest", digest]);
}

/** The finished layer is a subsequent resource of the upload (§Subsequent Resources). */
function stateFields(service: Service, ctx: Call, state: UploadState): string[] {
  const layer = state.layer && service.links.to(ctx, `/layer/${state.layer.digest}`);
  return [
    ...["Upload-Offset", String(state.offset)],
    ...["Upload-Complete", state.layer === undefined ? "?0" : "?1"],
    ...["Upload-Draft-Interop-Version", INTEROP_VERSION],
    ...(state.size === undefined ? [] : ["Upload-Length", String(state.size)]),
    ...(layer === undefined ? [] : ["Content-Location", layer]),
  ];
}

/** Of an upload that has changed just now, or will. To ask for the offset does not prolong its life. */
function uploadLimit(service: Service, ctx: Call): string {
  return `${sizeLimit(service, ctx)}, expires=${Math.floor(service.registry.uploads.ttl / 1000)}`;
}

function sizeLimit(service: Service, ctx: Call): string {
  return `max-size=${service.registry.layers.maxSize(ctx.layerd.repository)}, min-size=0`;
}

function uploadLocation(service: Service, ctx: Call, upload: UploadState): string {
  return service.links.to(ctx, `/layer/uploads/${upload.id}`);
}

/** §Upload Append: the final size must not change, by whatever header it is told. */
function agreedLength(declared: number | undefined, computed: number | undefined): number | undefined {
  if (declared === undefined || computed === undefined || declared === computed) return declared ?? computed;
  throw new LayerdError(
    "SIZE_INVALID",
    `Upload-Length says ${declared} bytes, Content-Length makes it ${computed}`,
  );
}

function refuseTooLarge(service: Service, ctx: Call, size: number | undefined): void {
  if (size === undefined || size <= service.registry.layers.maxSize(ctx.layerd.repository)) return;
  throw new LayerdError(
    "REQUEST_TOO_LARGE",
    `layers may have up to ${service.registry.layers.maxSize(ctx.layerd.repository)} bytes`,
    {
      headers: { "Upload-Limit": uploadLimit(service, ctx) },
    },
  );
}

function refuse(ctx: Call, names: readonly string[]): void {
  const found = names.find((name) => ctx.req.headers[name] !== undefined);
  if (found !== undefined)
    throw new LayerdError("BLOB_UPLOAD_INVALID", `${found} does not belong in this request`);
}

function completes(ctx: Call): boolean {
  return parseBooleanItem(ctx.get("Upload-Complete"), "Upload-Complete");
}

function byteCount(ctx: Call, name: string): number | undefined {
  const value = ctx.get(name);
  const count = value === "" ? undefined : parseIntegerItem(value, name);
  if (count === undefined || count >= 0) return count;
  throw new LayerdError("REQUEST_INVALID", `${name} cannot be negative`);
}

function mediaTypeOf(ctx: Call): string | undefined {
  return ctx.get("Content-Type").split(";")[0]?.trim().toLowerCase();
}

function contentLength(ctx: Call): number | undefined {
  const value = ctx.req.headers["content-length"];
  return value === undefined ? undefined : Number(value);
}

const UPLOAD_ID = /^[a-f0-9]{32}$/;

/** @throws BLOB_UPLOAD_UNKNOWN for what no upload was ever called */
function uploadId(text: string): UploadId {
  if (UPLOAD_ID.test(text)) return text as UploadId;
  throw new LayerdError("BLOB_UPLOAD_UNKNOWN");
}
