import type { Readable, Writable } from "node:stream";
import type { Awaitable } from "../core/awaitable.ts";
import type { Digest, DigestAlgorithm } from "../core/digest.ts";

/*
 * The content-addressable store: bytes under their digest, nothing else. It knows no repositories, no HTTP
 * and no callers. Split by role; callers ask only for the role they use.
 */

export interface BlobStat {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

/** Bytes `start` (inclusive) to `end` (exclusive), `0 <= start <= end <= size`. */
export interface ByteSpan {
  readonly start: number;
  readonly end: number;
}

export interface BlobReader {
  /** `undefined` when the blob is not there. What it tells is durable: it survives a power cut. */
  stat(digest: Digest): Promise<BlobStat | undefined>;
  /** Opens a blob for reading, at once when it can; `undefined` when it is not there. The caller closes the handle. */
  open(digest: Digest): Awaitable<BlobHandle | undefined>;
}

/** One open blob. It stays readable when the blob is deleted or replaced meanwhile. */
export interface BlobHandle extends BlobStat {
  /** The whole content, when the driver holds it in memory. Not to be modified. */
  readonly bytes?: Buffer;
  /**
   * The same as text of one character a byte, when it is small: Node sends a string together with the headers
   * in one write, and that beats two buffers by a tenth of what a request costs.
   */
  readonly latin1?: string | undefined;
  /**
   * Writes the bytes of `span` (default: all) to `writable` by the driver's fastest way, honouring
   * back-pressure. Never ends the writable. Rejects when the writable fails or closes, or when the blob
   * turns out shorter than it was.
   */
  send(writable: Writable, span?: ByteSpan): Promise<void>;
  /** The bytes of `span` (default: all) as a stream. Destroying it releases its share of the handle. */
  stream(span?: ByteSpan): Readable;
  /** Idempotent. Transfers still running when it is called are the caller's mistake. */
  close(): Awaitable<void>;
}

/** Names an upload inside the store: 1 to 64 characters of `a-z 0-9 -`. Made by the store or the domain. */
export type UploadId = string & { readonly __brand: "UploadId" };

export interface BeginOptions {
  /** Default: a random one of 128 bits. Beginning an id that exists replaces the older upload. */
  readonly id?: UploadId;
  /** Digests to compute while the bytes pass; the first names the blob, if `commit` expects none. Default: `["sha256"]`. */
  readonly algorithms?: readonly DigestAlgorithm[];
  /**
   * Whether the upload outlives this process and can be resumed by its id. One that is not leaves nothing
   * behind when it is cancelled, fails or the process dies. Default: false.
   */
  readonly resumable?: boolean;
  /** The domain's own notes about the upload, kept with it and returned by `resume`. JSON. */
  readonly note?: unknown;
}

export interface BlobIngester {
  /** Begins an upload at offset 0. Throws STORE_FULL below the low-water mark. */
  begin(options?: BeginOptions): Promise<BlobUpload>;
  /**
   * The upload of that id, at the offset where it stands: the same object while it is open in this process,
   * else rebuilt from what is stored (its hash by reading the bytes again, at the first use).
   * `undefined` when there is none.
   */
  resume(id: UploadId): Promise<BlobUpload | undefined>;
  /** Every resumable upload that is stored, in no order. */
  uploads(): AsyncIterable<StoredUpload>;
  /**
   * Cancels an upload that is stored, whoever has it, unless it has been touched since a time. Takes no space, also when
   * nobody can go on with the upload as it is. False when it has been touched, or is not there.
   */
  expire(id: UploadId, before: Date): Promise<boolean>;
}

export interface StoredUpload {
  readonly id: UploadId;
  /** The time of its last change. */
  readonly touchedAt: Date;
  /** The blob that it is becoming, or has become: its bytes are nowhere else. */
  readonly becoming?: Digest;
}

export interface AppendOptions {
  /** Where the caller believes the upload stands. OFFSET_MISMATCH (with `Upload-Offset`) when it does not. */
  readonly at: number;
  /** Take at most so many bytes; when the source has more, take these, then throw SIZE_INVALID. */
  readonly limit?: number;
  /** Aborting ends the append as if the source had failed; what had arrived stays. */
  readonly signal?: AbortSignal;
}

/** What a commit is told. */
export interface Expected {
  /** The bytes must have each of these digests. */
  readonly digests?: readonly Digest[];
  /** Bytes. */
  readonly size?: number;
  /** Is told which blob it becomes, and waited for, before that is visible. */
  readonly naming?: (digest: Digest) => Promise<void> | undefined;
}

/**
 * An upload on its way to becoming a blob. Nothing of it is visible under any digest before `commit`.
 * One writer at a time: a second `append`, `sync` or `commit` while one runs throws UNAVAILABLE; `cancel`
 * and `release` end a running append first.
 */
export interface BlobUpload {
  readonly id: UploadId;
  /** Bytes taken so far. They survive the death of this process, and after `sync` a power cut too. */
  readonly offset: number;
  /** The first bytes (up to 512), for naming the media type. */
  readonly head: Buffer;
  readonly note: unknown;
  /** Set once the upload is committed, also when this process learns of it after a restart. */
  readonly committed: BlobStat | undefined;
  /**
   * Takes the bytes of `source` and resolves with the new offset. When the source fails (a client that went
   * away), what had arrived is kept, `offset` says how much, and the source's error is thrown.
   */
  append(source: Readable, options: AppendOptions): Promise<number>;
  /** Makes `offset` durable and resolves with it. */
  sync(): Promise<number>;
  /** Replaces `note`; the new one is durable when it resolves. */
  amend(note: unknown): Promise<void>;
  /**
   * Compares length and digests with what is expected, and publishes the blob: when it resolves, the blob
   * is visible and durable, under the first digest expected. Replaces an older file of the same digest. A mismatch throws SIZE_INVALID or
   * DIGEST_INVALID and cancels the upload. A second commit resolves with the same stat.
   */
  commit(expected?: Expected): Promise<BlobStat>;
  /** Forgets the upload and frees its space, or the memory of a committed one. Idempotent. */
  cancel(): Promise<void>;
  /** Lets go of handles and memory; the upload can be resumed if it is resumable, else it is cancelled. */
  release(): Promise<void>;
}

/**
 * What garbage collection and scrubbing do; never called by what answers requests. Whoever discards or quarantines a
 * blob makes sure that nobody is about to rely on it.
 */
export interface BlobSweeper {
  /**
   * Every blob, in the ASCIIbetical order of the digests; only those behind `after`, if given, which need not exist.
   * One that comes or goes meanwhile may be among them or not.
   */
  list(after?: Digest): AsyncIterable<Digest>;
  /**
   * Opens what is stored under a digest, whatever it is: nothing is taken from a cache, nothing is held back because
   * it is damaged, nothing is remembered. `undefined` when it is not there. The caller closes the handle.
   */
  inspect(digest: Digest): Promise<Inspected | undefined>;
  /**
   * Moves a blob to the trash, from where it can be restored: when this resolves, nobody finds it any more, though
   * open handles stay readable. `undefined` when it is not there. A power cut may bring it back.
   */
  discard(digest: Digest): Promise<BlobStat | undefined>;
  /** What is in the trash, in no order. */
  discarded(): AsyncIterable<Discarded>;
  /** The first bytes of a blob in the trash, at most `length`; `undefined` when it is not there. */
  peek(digest: Digest, length: number): Promise<Buffer | undefined>;
  /** Brings a blob back from the trash, durably; false when it is not there. */
  restore(digest: Digest): Promise<boolean>;
  /** Frees the space of a blob in the trash. Idempotent. */
  purge(digest: Digest): Promise<void>;
  /** What is in quarantine, in no order; nothing where there is no place for it. */
  quarantined(): AsyncIterable<Quarantined>;
  /** Frees the space of what is in quarantine under a digest. Idempotent. */
  dispose(digest: Digest): Promise<void>;
  /** Whether uploads are refused for want of space. */
  short(): Promise<boolean>;
}

/** What is stored under a digest, to be looked at. */
export interface Inspected {
  readonly handle: BlobHandle;
  /**
   * Moves these bytes out of sight, for somebody to look into: when this resolves, nobody finds them any more, though
   * open handles stay readable. Only storing the blob anew brings it back. False when they are gone, or others have
   * taken their place. To be called while the handle is open. A power cut may bring them back.
   */
  quarantine(): Promise<Moved | false>;
}

/** Where bytes are that were moved into quarantine. */
export interface Moved {
  /** The path of the file; absent where bytes have no place to be looked into, and are gone. */
  readonly file?: string;
}

/** What is in quarantine under a digest: other bytes than it says. */
export interface Quarantined extends BlobStat {
  readonly quarantinedAt: Date;
}

export interface Discarded extends BlobStat {
  readonly discardedAt: Date;
}

/** A driver: every role, and an end. */
export interface BlobStore extends BlobReader, BlobIngester, BlobSweeper {
  /** Waits for what is running, then releases everything held. Idempotent. */
  close(): Promise<void>;
}

/** How far scrubbing in the background has come. */
export interface ScrubNote {
  /** The pass that is under way has read all up to this blob. */
  readonly after?: Digest;
  /** ISO 8601; when the last whole pass ended. Absent while one is under way. */
  readonly finishedAt?: string;
}

/** Keeps that note from one process to the next. */
export interface ScrubNotes {
  /** Empty when there is none. */
  read(): Promise<ScrubNote>;
  write(note: ScrubNote): Promise<void>;
}
