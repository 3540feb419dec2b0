import { createHash } from "node:crypto";
import { LayerdError } from "../../core/errors.ts";
import type { UploadId } from "../port.ts";
import type { Piece } from "./catalog.ts";
import { newKey, type S3Context } from "./context.ts";
import { readWhole } from "./read-whole.ts";

/*
 * The bytes of a resumable upload behind its last part, as objects of their own: parts of an upload that is not
 * finished cannot be read back, and whoever goes on needs these bytes for the part that they are going to be in.
 */

/** Stores some of them. The object is an upload's from before its first byte. */
export async function storePiece(context: S3Context, upload: UploadId, bytes: Buffer): Promise<Piece> {
  const key = await enterObject(context, upload);
  const sha256 = sha256Of(bytes);
  await context.bucket.put(key, { bytes, sha256 });
  return { key, size: bytes.length, sha256 };
}

/**
 * Reads them again. They are verified: the hash of the upload has seen them before they were stored, and would not
 * notice that they are others by now.
 * @throws UNAVAILABLE when they are gone, as they are when another server has gone on, or damaged.
 */
export async function readPiece(context: S3Context, piece: Piece): Promise<Buffer> {
  const bytes = await readWhole(context.bucket, piece);
  if (bytes !== undefined && sha256Of(bytes) === piece.sha256) return bytes;
  throw new LayerdError("UNAVAILABLE", "the end of the upload cannot be read; ask where it stands");
}

/** @returns the key of a new object of an upload's. */
export async function enterObject(context: S3Context, upload: UploadId): Promise<string> {
  const key = newKey(context);
  await context.catalog.objects.enter(key, upload);
  return key;
}

function sha256Of(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
