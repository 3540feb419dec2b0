import { LayerdError } from "./errors.ts";

/*
 * Preconditions of requests (RFC 9110 §13), for representations whose entity tag is strong and which have no
 * modification date: If-Modified-Since and If-Unmodified-Since are ignored, as §13.1.3 and §13.1.4 require.
 */

/** The request's header fields that matter here. */
export interface PreconditionFields {
  readonly "if-match"?: string | undefined;
  readonly "if-none-match"?: string | undefined;
}

/**
 * Decides about a GET or HEAD of something that is there, in the order of §13.2.2.
 * @throws PRECONDITION_FAILED, with the current `ETag`.
 */
export function checkReadPreconditions(fields: PreconditionFields, etag: string): "proceed" | "not modified" {
  requireMatch(fields["if-match"], etag);
  const known = fields["if-none-match"];
  return known === undefined || noneMatches(known, etag) ? "proceed" : "not modified";
}

/**
 * Decides about a request that changes something.
 * @param etag of what is there now; `undefined` when nothing is.
 * @throws PRECONDITION_FAILED, with the current `ETag`.
 */
export function checkWritePreconditions(fields: PreconditionFields, etag: string | undefined): void {
  requireMatch(fields["if-match"], etag);
  const unwanted = fields["if-none-match"];
  if (unwanted !== undefined && !noneMatches(unwanted, etag)) throw failed("If-None-Match", etag);
}

/** The strong entity tags of an `If-Match` field, with their quotes; weak ones never match (§13.1.1). */
export function strongTags(field: string): string[] {
  return parseEntityTags(field).filter(isStrong);
}

/** §13.1.5: whether a Range may be honoured. A date never holds, because no modification date is ever sent. */
export function ifRangeHolds(field: string, etag: string): boolean {
  return isStrong(etag) && field === etag;
}

/** §13.1.1: strong comparison; a field that cannot be read matches nothing. */
function requireMatch(field: string | undefined, etag: string | undefined): void {
  if (field === undefined) return;
  const holds =
    etag !== undefined && (field === "*" || (isStrong(etag) && parseEntityTags(field).includes(etag)));
  if (!holds) throw failed("If-Match", etag);
}

/** §13.1.2: weak comparison; a field that cannot be read matches nothing. */
function noneMatches(field: string, etag: string | undefined): boolean {
  if (etag === undefined) return true;
  return field !== "*" && !parseEntityTags(field).some((tag) => opaque(tag) === opaque(etag));
}

// §8.8.3. An opaque tag may contain commas and, as obs-text, bytes beyond ASCII.
const ENTITY_TAG = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g;

// Stands for a tag while the rest of a list is looked at; no header field can contain it.
const TAG_MARK = "\0";

/** The tags of a list (§5.6.1); none when any part of the list is malformed. */
function parseEntityTags(field: string): readonly string[] {
  const marked = field.replace(ENTITY_TAG, TAG_MARK);
  const elements = marked.split(",").map((element) => element.trim());
  const wellFormed = elements.every((element) => element === "" || element === TAG_MARK);
  return wellFormed ? (field.match(ENTITY_TAG) ?? []) : [];
}

function isStrong(tag: string): boolean {
  return !tag.startsWith("W/");
}

function opaque(tag: string): string {
  return isStrong(tag) ? tag : tag.slice(2);
}

function failed(field: string, etag: string | undefined): LayerdError {
  return new LayerdError("PRECONDITION_FAILED", `${field} does not hold`, {
    detail: { field, current: etag ?? null },
    ...(etag === undefined ? {} : { headers: { ETag: etag } }),
  });
}
