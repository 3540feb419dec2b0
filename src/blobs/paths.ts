import { join } from "node:path";
import { algorithmOf, type Digest, type DigestAlgorithm, hexOf } from "../core/digest.ts";
import type { UploadId } from "./port.ts";

/*
 * Version 1 of the data directory:
 *
 *   data/
 *     layout.json                  {"version":1}
 *     lock                         held by the one process that has it for itself
 *     lock.shared                  held by those that share it
 *     blobs/
 *       sha256/ab/abcd…            a blob, mode 0444, named by its digest, in a shard named by the first byte
 *       sha512/ab/abcd…
 *     uploads/
 *       <id>                       the bytes of an upload in progress
 *       <id>.<file>                the same, where several processes share the directory: the record names it
 *       <id>.json                  the record of one that can be resumed
 *       <id>.json.new              a record being written; worth nothing after a crash
 *     trash/
 *       sha256/abcd…               a blob that was discarded; its time of modification tells when
 *     quarantine/
 *       sha256/abcd…               what a scrub found to be damaged; its time of modification tells when
 *     scrub.json                   how far the scrub in the background has come
 *     index/                       what repositories know of the blobs: src/index/paths.ts
 *
 * Uploads lie flat. A directory for each would cost every upload a mkdir, an rmdir and their syncs.
 */

export function blobsDirectory(root: string): string {
  return join(root, "blobs");
}

export function algorithmDirectory(root: string, algorithm: DigestAlgorithm): string {
  return join(root, "blobs", algorithm);
}

/** The first byte of a digest: names the shard it is in. */
export function shardOf(digest: Digest): string {
  return hexOf(digest).slice(0, 2);
}

export function shardDirectory(root: string, digest: Digest): string {
  return join(root, "blobs", algorithmOf(digest), shardOf(digest));
}

export function blobPath(root: string, digest: Digest): string {
  return join(shardDirectory(root, digest), hexOf(digest));
}

export function trashDirectory(root: string, algorithm: DigestAlgorithm): string {
  return join(root, "trash", algorithm);
}

export function trashPath(root: string, digest: Digest): string {
  return join(trashDirectory(root, algorithmOf(digest)), hexOf(digest));
}

export function quarantineDirectory(root: string, algorithm: DigestAlgorithm): string {
  return join(root, "quarantine", algorithm);
}

export function quarantinePath(root: string, digest: Digest): string {
  return join(quarantineDirectory(root, algorithmOf(digest)), hexOf(digest));
}

export function scrubNotePath(root: string): string {
  return join(root, "scrub.json");
}

export function uploadsDirectory(root: string): string {
  return join(root, "uploads");
}

/** @param file which of the files that the upload has had; see `upload-record.ts`. */
export function uploadPath(root: string, id: UploadId, file?: string): string {
  return join(root, "uploads", file === undefined ? id : `${id}.${file}`);
}

const RECORD = ".json";
const NEW_RECORD = ".json.new";

export function recordPath(root: string, id: UploadId): string {
  return uploadPath(root, id) + RECORD;
}

export function newRecordPath(root: string, id: UploadId): string {
  return uploadPath(root, id) + NEW_RECORD;
}

const UPLOAD_ID = /^[a-z0-9-]{1,64}$/;

/** Ids come from clients: only what this accepts is ever made part of a path. */
export function isUploadId(text: string): text is UploadId {
  return UPLOAD_ID.test(text);
}

const FILE = /^[0-9a-f]{8}$/;

/** Names come from records: only what this accepts is ever made part of a path. */
export function isUploadFile(text: unknown): text is string {
  return typeof text === "string" && FILE.test(text);
}

/** A file of an upload, by its name. */
export interface UploadName {
  readonly id: UploadId;
  readonly kind: "data" | "record" | "new record";
  /** Which of the files of data that the upload has had, when several processes share the directory. */
  readonly file?: string;
}

/** Whose file a name in `uploads/` is, and which; `undefined` for names that are not layerd's. */
export function parseUploadName(name: string): UploadName | undefined {
  const dot = name.indexOf(".");
  const id = dot === -1 ? name : name.slice(0, dot);
  if (!isUploadId(id)) return undefined;
  switch (name.slice(id.length)) {
    case "":
      return { id, kind: "data" };
    case RECORD:
      return { id, kind: "record" };
    case NEW_RECORD:
      return { id, kind: "new record" };
    default: {
      const file = name.slice(id.length + 1);
      return isUploadFile(file) ? { id, kind: "data", file } : undefined;
    }
  }
}

/** Where a file of an upload is. */
export function pathOfUploadName(root: string, { id, kind, file }: UploadName): string {
  if (kind === "data") return uploadPath(root, id, file);
  return kind === "record" ? recordPath(root, id) : newRecordPath(root, id);
}
