import { createHash, randomBytes } from "node:crypto";
import type { BlobUpload, UploadId } from "../blobs/port.ts";
import type { Digest } from "../core/digest.ts";
import { LayerdError } from "../core/errors.ts";
import type { LayerClaims, Place, StoredLayer } from "./layers.ts";

/** What the store keeps with a resumable upload, as JSON. */
export interface UploadNote extends LayerClaims {
  readonly repository: string;
  readonly who: string;
}

/** Where a resumable upload stands. */
export interface UploadState {
  readonly id: UploadId;
  /** Bytes that need not be sent again. */
  readonly offset: number;
  /** Bytes in all, once the client has said so. */
  readonly size: number | undefined;
  /** The layer, once the upload is complete. */
  readonly layer: StoredLayer | undefined;
}

export interface AppendRequest {
  /** Where the client believes the upload stands; `undefined`: wherever it does. */
  readonly at: number | undefined;
  /** Bytes of this part, when the client announced them. */
  readonly length: number | undefined;
  /** Bytes of the whole upload, when the client announced them. */
  readonly size: number | undefined;
  /** Whether the upload is complete when this part has arrived whole. */
  readonly last: boolean;
  /** What the whole must be, when it is said with the last part; the first names the layer. */
  readonly digests?: readonly Digest[];
}

/** A request whose place is known. */
export type PlacedRequest = AppendRequest & { readonly at: number };

/** One that cannot be guessed. */
export function newId(): UploadId {
  return randomBytes(16).toString("hex") as UploadId;
}

/** Uploads by digest need no id of their own: the digest and the caller find them again. */
export function idFor(place: Place, digest: Digest): UploadId {
  const key = createHash("sha256").update(`${place.repository}\n${place.who}\n${digest}`).digest("hex");
  return `put-${key.slice(0, 40)}` as UploadId;
}

export function noteOf(upload: BlobUpload): UploadNote {
  return upload.note as UploadNote;
}

export function makeNote(place: Place, claims: LayerClaims): UploadNote {
  return { ...claims, repository: place.repository, who: place.who };
}

export function belongsTo(upload: BlobUpload, place: Place): boolean {
  const note = noteOf(upload);
  return note.repository === place.repository && note.who === place.who;
}

/** @param size of the whole, when it has become known after the upload began. */
export function stateOf(upload: BlobUpload): UploadState {
  const { size } = noteOf(upload);
  return { id: upload.id, offset: upload.offset, size, layer: undefined };
}

/**
 * The size of the whole, from what has been recorded and what a request announces, in so many words or by the
 * length of a last part. @throws SIZE_INVALID when they differ.
 */
export function agreedSize(recorded: number | undefined, request: PlacedRequest): number | undefined {
  const { at, length, last } = request;
  const announced = request.size ?? (last && length !== undefined ? at + length : undefined);
  if (recorded === undefined || announced === undefined || recorded === announced) {
    return recorded ?? announced;
  }
  throw new LayerdError("SIZE_INVALID", `announced with ${recorded} bytes before, with ${announced} now`, {
    detail: { before: recorded, now: announced },
  });
}

/** The request for a part whose first bytes are known already. */
export function withoutFirst(request: PlacedRequest, known: number): PlacedRequest {
  const length = request.length === undefined ? undefined : Math.max(request.length - known, 0);
  return { ...request, at: request.at + known, length };
}

export function offsetMismatch(expected: number, provided: number): LayerdError {
  return new LayerdError("OFFSET_MISMATCH", `the upload is at offset ${expected}, not ${provided}`, {
    detail: { expected, provided },
    headers: { "Upload-Offset": String(expected) },
  });
}

/** The claims, and digests that came with the last part. */
export function withDigests(claims: LayerClaims, digests: readonly Digest[] = []): LayerClaims {
  return { ...claims, digests: [...digests, ...(claims.digests ?? [])] };
}

export function alreadyComplete(): LayerdError {
  return new LayerdError("BLOB_UPLOAD_INVALID", "the upload is already complete");
}
