import { LayerdError } from "../../core/errors.ts";

/** What a path below `/v2` is about: distribution-spec §Endpoints. Names and references are not parsed yet. */
export type V2Path =
  | { readonly type: "base" }
  | { readonly type: "catalog" }
  | { readonly type: "blob"; readonly name: string; readonly digest: string }
  | { readonly type: "uploads"; readonly name: string }
  | { readonly type: "upload"; readonly name: string; readonly id: string }
  | { readonly type: "manifest"; readonly name: string; readonly reference: string }
  | { readonly type: "tags"; readonly name: string }
  | { readonly type: "referrers"; readonly name: string; readonly digest: string };

const PREFIX = "/v2/";

/** Whether a path is this API's, whatever it is about. */
export function isV2(path: string): boolean {
  return path.startsWith("/v2") && (path.length === 3 || path[3] === "/");
}

/**
 * Reads a path from its end, because a repository's name may have any number of components, `blobs` and
 * `manifests` among them. `undefined` when it is no path of the API.
 * @throws REQUEST_INVALID for a reference that is not percent-encoded as it should be.
 */
export function parsePath(path: string): V2Path | undefined {
  if (path === "/v2" || path === PREFIX) return { type: "base" };
  if (path === "/v2/_catalog") return { type: "catalog" };
  const last = path.lastIndexOf("/");
  const before = path.lastIndexOf("/", last - 1);
  if (before < PREFIX.length) return undefined;
  return parseEnd(path, before, path.slice(before + 1, last), path.slice(last + 1));
}

function parseEnd(path: string, before: number, kind: string, end: string): V2Path | undefined {
  const name = path.slice(PREFIX.length, before);
  switch (kind) {
    case "manifests":
      return { type: "manifest", name, reference: decode(end) };
    case "blobs":
      // Some clients leave out the last slash of `blobs/uploads/`.
      return end === "uploads" ? { type: "uploads", name } : { type: "blob", name, digest: decode(end) };
    case "tags":
      return end === "list" ? { type: "tags", name } : undefined;
    case "referrers":
      return { type: "referrers", name, digest: decode(end) };
    case "uploads":
      return parseUpload(name, end);
    default:
      return undefined;
  }
}

function parseUpload(name: string, id: string): V2Path | undefined {
  const repository = name.endsWith("/blobs") ? name.slice(0, -"/blobs".length) : "";
  if (repository === "") return undefined;
  return id === "" ? { type: "uploads", name: repository } : { type: "upload", name: repository, id };
}

/** A colon may come as `%3A`. */
function decode(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    throw new LayerdError("REQUEST_INVALID", `not percent-encoded: ${JSON.stringify(text.slice(0, 150))}`);
  }
}
