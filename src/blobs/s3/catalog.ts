import type { Digest, DigestAlgorithm } from "../../core/digest.ts";
import type { BlobStat, Discarded, Quarantined, StoredUpload, UploadId } from "../port.ts";

/*
 * What the store on S3 knows of the objects in its bucket. Many servers share one catalog; every change is atomic
 * and holds only if what it changes is still as it was. All methods throw UNAVAILABLE when the catalog does not answer.
 */

/** A blob and the object that its bytes are in. An object's key is used once, for good. */
export interface StoredObject extends BlobStat {
  readonly key: string;
}

/** An object that nothing needs any more. */
export interface DeadObject {
  readonly key: string;
  /** Of one that is not finished: S3's id of the multipart upload. */
  readonly multipart: string | undefined;
}

/**
 * Every object in the bucket, from before its first byte until after its removal, in one state at a time:
 * being written, live, in the trash, in quarantine, or garbage. At most one object of a digest is live, and at most
 * one in the trash.
 */
export interface ObjectCatalog {
  live(digest: Digest): Promise<StoredObject | undefined>;
  /** The next live blobs behind `after`, in the order of the digests. */
  page(after: Digest | undefined, limit: number): Promise<Digest[]>;

  /** Enters an object that is about to be written, for a resumable upload or none. */
  enter(key: string, upload?: UploadId): Promise<void>;
  /** It is still being written. @param multipart S3's id, when it has one by now. */
  touch(key: string, multipart?: string): Promise<void>;
  /**
   * An object that was being written is the blob from now on; an older one becomes garbage.
   * @throws UNAVAILABLE when it is not being written any more: it took so long that it was taken for forgotten.
   */
  publish(object: StoredObject): Promise<void>;
  /** An object that was being written is garbage. */
  abandon(key: string): Promise<void>;

  /** Moves what is live to the trash; what was there before is garbage. */
  discard(digest: Digest): Promise<StoredObject | undefined>;
  trash(after: Digest | undefined, limit: number): Promise<Discarded[]>;
  trashed(digest: Digest): Promise<StoredObject | undefined>;
  /** Moves it back; when another one is live by now, it is garbage. False when there is nothing in the trash. */
  restore(digest: Digest): Promise<boolean>;
  /** What was in the trash is garbage, since the time when it was discarded. */
  purge(digest: Digest): Promise<void>;
  /** Takes a live object out of sight. False when it is not live any more. */
  quarantine(key: string): Promise<boolean>;
  /** What is in quarantine, in the order of the keys: there may be several objects of a digest. */
  quarantined(after: string | undefined, limit: number): Promise<(Quarantined & { readonly key: string })[]>;
  /** What was in quarantine under a digest is garbage, since the time when it came there. Resolves with its keys. */
  dispose(digest: Digest): Promise<string[]>;

  /** Some garbage: all if need be, or what has been it since before a time; any, or only these objects. */
  garbage(
    which: { readonly before?: Date; readonly keys?: readonly string[] },
    limit: number,
  ): Promise<DeadObject[]>;
  /** Forgets garbage, which has been removed. */
  removed(key: string): Promise<void>;
  /**
   * What was last touched before that time and is written for no upload that can be resumed, is garbage. Resolves with
   * the number of objects.
   */
  expire(before: Date): Promise<number>;
  /** Those of the keys that have never been entered, or have been removed. */
  unknown(keys: readonly string[]): Promise<string[]>;
  /** Those of the multipart uploads that no object is written by. */
  stray<T extends { readonly key: string; readonly multipart: string }>(
    multiparts: readonly T[],
  ): Promise<T[]>;
}

/** A finished part of a multipart upload. */
export interface Part {
  readonly number: number;
  readonly etag: string;
  /** Bytes. */
  readonly size: number;
}

/** An object with some of the bytes that follow the last finished part. */
export interface Piece {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /** Of the bytes, in hexadecimal. */
  readonly sha256: string;
}

/** How far an upload has come, durably. */
export interface Progress {
  /** Bytes: of all parts, then of the tail. */
  readonly size: number;
  readonly head: Buffer;
  /** The digests of so much, in the order of the algorithms; empty when nobody knows them. */
  readonly hashes: readonly Digest[];
  readonly tail: readonly Piece[];
}

/** What is stored of an upload that can be resumed. */
export interface UploadRow extends Progress {
  readonly id: UploadId;
  /** Another one after every change: whoever changes it says which one it knows. */
  readonly version: string;
  readonly algorithms: readonly DigestAlgorithm[];
  readonly note: unknown;
  /** The object that the parts make, and S3's id of it, once there are any. */
  readonly key: string | undefined;
  readonly multipart: string | undefined;
  /** No server has taken this number for a part, or a higher one. */
  readonly nextPart: number;
  readonly parts: readonly Part[];
  /** Bytes of the object that the parts were to be made, or `undefined` when they were not yet. */
  readonly sealed: number | undefined;
  /** Of what is sealed or committed: its digests, the one that names the blob first. */
  readonly digests: readonly Digest[];
  readonly committed: boolean;
}

/** Names a row as it was when it was last seen. */
export interface UploadVersion {
  readonly id: UploadId;
  readonly version: string;
}

/**
 * Uploads that can be resumed. Every change resolves with the new version, or throws UNAVAILABLE when the row is
 * not of the version given: another server has gone on with the upload, or ended it.
 */
export interface UploadCatalog {
  create(row: Pick<UploadRow, "id" | "algorithms" | "note">): Promise<string>;
  load(id: UploadId): Promise<UploadRow | undefined>;
  versionOf(id: UploadId): Promise<string | undefined>;
  list(after: UploadId | undefined, limit: number): Promise<StoredUpload[]>;
  amend(upload: UploadVersion, note: unknown): Promise<string>;
  /** Notes the object that the parts make, which is entered already. */
  startParts(
    upload: UploadVersion,
    object: { readonly key: string; readonly multipart: string },
  ): Promise<string>;
  /** Takes the numbers below `next` for parts that are to be written: no other server ever writes one of these. */
  takeNumbers(upload: UploadVersion, next: number): Promise<string>;
  /**
   * It goes on, sealed or not. What was written for it, and is neither in its parts nor in its tail, is garbage.
   * @param parts that have been finished since.
   */
  progress(upload: UploadVersion, progress: Progress, parts: readonly Part[]): Promise<string>;
  /** The parts are about to be made an object of that size (in bytes) and these digests. */
  seal(upload: UploadVersion, size: number, digests: readonly Digest[]): Promise<string>;
  /** `publish`, and the upload is committed. Everything else that was written for it is garbage. */
  commit(
    upload: UploadVersion,
    object: StoredObject,
    about: { readonly head: Buffer; readonly digests: readonly Digest[] },
  ): Promise<string>;
  /** Whatever its version; what was written for it is garbage. Resolves with the keys of that. */
  remove(id: UploadId): Promise<string[]>;
  /** The same, if it was last changed before that time; `undefined` when it was not, or is not there. */
  expire(id: UploadId, before: Date): Promise<string[] | undefined>;
}

export interface BlobCatalog {
  readonly objects: ObjectCatalog;
  readonly uploads: UploadCatalog;
  /** @throws when the catalog cannot be used, with one sentence for whoever started the process. */
  check(): Promise<void>;
}
