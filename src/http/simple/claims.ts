import { parse } from "content-disposition";
import { type Digest, makeDigest, parseDigest } from "../../core/digest.ts";
import { LayerdError } from "../../core/errors.ts";
import { isMediaType } from "../../core/media-type.ts";
import { parseDigestFields } from "../../core/structured.ts";
import type { LayerClaims } from "../../registry/layers.ts";
import type { Call } from "../request-context.ts";

// What clients say when they say nothing: curl's default for --data-binary, the drafts' own type, and names
// for archives that are not the ones container engines know. The bytes tell more.
const SAYS_NOTHING = new Set([
  "application/x-www-form-urlencoded",
  "application/partial-upload",
  "application/offset+octet-stream",
  "application/octet-stream",
  "binary/octet-stream",
  "application/gzip",
  "application/x-gzip",
  "application/zstd",
  "application/x-tar",
  "application/tar",
  "application/x-gtar",
  "application/x-compressed-tar",
]);

const NAME_MAX = 255;

/**
 * What a request says about the whole layer it brings: digests (`?digest=`, RFC 9530's `Repr-Digest`, and
 * `Content-Digest` where the request carries the whole), media type, file name.
 * @throws DIGEST_INVALID, REQUEST_INVALID, UNSUPPORTED_MEDIA_TYPE
 */
export function layerClaims(
  ctx: Call,
  carries: { readonly whole: boolean; readonly digest?: Digest },
): LayerClaims {
  const mediaType = claimedMediaType(ctx.get("Content-Type"));
  const name = claimedName(ctx);
  const digests = claimedDigests(ctx, carries);
  return {
    ...(digests.length === 0 ? {} : { digests }),
    ...(mediaType === undefined ? {} : { mediaType }),
    ...(name === undefined ? {} : { name }),
  };
}

function claimedDigests(ctx: Call, carries: { readonly whole: boolean; readonly digest?: Digest }): Digest[] {
  const asked = ctx.query.digest;
  if (Array.isArray(asked)) throw new LayerdError("DIGEST_INVALID", "?digest= was given more than once");
  const found = [
    ...(carries.digest === undefined ? [] : [carries.digest]),
    ...(asked === undefined ? [] : [parseDigest(asked)]),
    ...fieldDigests(ctx, "Repr-Digest"),
    ...(carries.whole ? fieldDigests(ctx, "Content-Digest") : []),
  ];
  return [...new Set(found)];
}

function fieldDigests(ctx: Call, field: string): Digest[] {
  const value = ctx.get(field);
  if (value === "") return [];
  return [...parseDigestFields(value, field)].map(([algorithm, bytes]) =>
    makeDigest(algorithm, bytes.toString("hex")),
  );
}

/** The media type to record, or `undefined` to go by the bytes. */
export function claimedMediaType(contentType: string): string | undefined {
  const [type = ""] = contentType.split(";");
  const mediaType = type.trim().toLowerCase();
  if (mediaType === "" || SAYS_NOTHING.has(mediaType)) return undefined;
  if (isMediaType(mediaType)) return mediaType;
  throw new LayerdError(
    "UNSUPPORTED_MEDIA_TYPE",
    `not a media type: ${JSON.stringify(mediaType.slice(0, 100))}`,
  );
}

function claimedName(ctx: Call): string | undefined {
  const header = ctx.get("Content-Disposition");
  return header === "" ? undefined : fileName(parse(header).parameters.filename);
}

// Control and format characters (among them those that turn the direction of writing), halves of surrogate pairs,
// line and paragraph separators; not those that join letters in Persian and parts of emoji.
const CONFUSING = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** The last part of a name, without what could confuse a terminal or a file system that it is saved to. */
export function fileName(given: string | undefined | null): string | undefined {
  const last = (given ?? "").split(/[/\\]/).at(-1) ?? "";
  // Cut first: that may leave half a character.
  const clean = last.slice(0, NAME_MAX).replace(CONFUSING, "").trim();
  return clean === "" || clean === "." || clean === ".." ? undefined : clean;
}
