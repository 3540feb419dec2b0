import { randomBytes } from "node:crypto";
import { buffer } from "node:stream/consumers";
import type { Digest } from "../core/digest.ts";
import { LayerdError } from "../core/errors.ts";
import { BlocksBlob, OVERHEAD, type Room } from "./blocks.ts";
import { BytesBlob } from "./bytes-blob.ts";
import { MemoryUpload } from "./memory-upload.ts";
import { isUploadId } from "./paths.ts";
import type {
  BeginOptions,
  BlobHandle,
  BlobStat,
  BlobStore,
  BlobUpload,
  Discarded,
  Inspected,
  Moved,
  Quarantined,
  StoredUpload,
  UploadId,
} from "./port.ts";

/**
 * Blobs in memory, gone with the process.
 * @param options.limit bytes that blobs and uploads may take together; beyond, uploads get STORE_FULL.
 */
export function createMemoryBlobs(options: { readonly limit: number }): BlobStore {
  return new MemoryBlobs(options.limit);
}

class MemoryBlobs implements BlobStore {
  readonly #room: LimitedRoom;
  readonly #blobs = new Map<Digest, BytesBlob | BlocksBlob>();
  readonly #trash = new Map<Digest, { readonly blob: BytesBlob | BlocksBlob; readonly at: Date }>();
  readonly #uploads = new Map<UploadId, MemoryUpload>();
  #closed = false;

  constructor(limit: number) {
    this.#room = new LimitedRoom(limit);
  }

  async stat(digest: Digest): Promise<BlobStat | undefined> {
    this.#assertOpen();
    const blob = this.#blobs.get(digest);
    return blob && { digest, size: blob.size };
  }

  async open(digest: Digest): Promise<BlobHandle | undefined> {
    this.#assertOpen();
    return this.#blobs.get(digest);
  }

  async begin(options: BeginOptions = {}): Promise<BlobUpload> {
    this.#assertOpen();
    const { id = randomBytes(16).toString("hex") as UploadId, algorithms = ["sha256"] } = options;
    if (!isUploadId(id)) throw new LayerdError("BLOB_UPLOAD_INVALID", "not an upload id");
    for (let older = this.#uploads.get(id); older !== undefined; older = this.#uploads.get(id)) {
      await older.cancel();
    }
    this.#assertOpen();
    const { note, resumable = false } = options;
    const upload = new MemoryUpload(
      {
        room: this.#room,
        publish: (digest, blocks) => this.#publish(digest, blocks),
        ended: (ended) => this.#forget(ended),
      },
      { id, algorithms, note, resumable },
    );
    this.#uploads.set(id, upload);
    return upload;
  }

  async resume(id: UploadId): Promise<BlobUpload | undefined> {
    this.#assertOpen();
    return this.#uploads.get(id);
  }

  async *uploads(): AsyncGenerator<StoredUpload> {
    for (const { id, touchedAt, resumable, committed } of this.#uploads.values()) {
      if (resumable) yield { id, touchedAt, ...(committed && { becoming: committed.digest }) };
    }
  }

  async expire(id: UploadId, before: Date): Promise<boolean> {
    const upload = this.#uploads.get(id);
    if (upload === undefined || upload.touchedAt >= before) return false;
    await upload.cancel();
    return true;
  }

  async *list(after?: Digest): AsyncGenerator<Digest> {
    for (const digest of [...this.#blobs.keys()].sort()) {
      if (after === undefined || digest > after) yield digest;
    }
  }

  async inspect(digest: Digest): Promise<Inspected | undefined> {
    const blob = this.#blobs.get(digest);
    return blob && { handle: blob, quarantine: async () => this.#quarantine(digest, blob) };
  }

  async discard(digest: Digest): Promise<BlobStat | undefined> {
    const blob = this.#blobs.get(digest);
    if (blob === undefined) return undefined;
    await this.purge(digest);
    this.#blobs.delete(digest);
    this.#trash.set(digest, { blob, at: new Date() });
    return { digest, size: blob.size };
  }

  async *discarded(): AsyncGenerator<Discarded> {
    for (const [digest, { blob, at }] of [...this.#trash]) yield { digest, size: blob.size, discardedAt: at };
  }

  async peek(digest: Digest, length: number): Promise<Buffer | undefined> {
    const blob = this.#trash.get(digest)?.blob;
    return blob && (await buffer(blob.stream({ start: 0, end: Math.min(length, blob.size) })));
  }

  async restore(digest: Digest): Promise<boolean> {
    const blob = this.#trash.get(digest)?.blob;
    if (blob === undefined) return false;
    if (this.#blobs.has(digest)) await this.purge(digest);
    this.#trash.delete(digest);
    if (!this.#blobs.has(digest)) this.#blobs.set(digest, blob);
    return true;
  }

  async purge(digest: Digest): Promise<void> {
    const discarded = this.#trash.get(digest);
    if (discarded === undefined) return;
    this.#trash.delete(digest);
    this.#room.give(discarded.blob.size + OVERHEAD);
  }

  async *quarantined(): AsyncGenerator<Quarantined> {}

  async dispose(_digest: Digest): Promise<void> {}

  async short(): Promise<boolean> {
    return this.#room.left === 0;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#uploads.values()].map((upload) => upload.cancel()));
    this.#blobs.clear();
  }

  /** There is no place in memory where somebody could look into it: it goes for good. */
  #quarantine(digest: Digest, blob: BytesBlob | BlocksBlob): Moved | false {
    if (this.#blobs.get(digest) !== blob) return false;
    this.#blobs.delete(digest);
    this.#room.give(blob.size + OVERHEAD);
    return {};
  }

  #publish(digest: Digest, blocks: readonly Buffer[]): void {
    const older = this.#blobs.get(digest);
    if (older !== undefined) this.#room.give(older.size + OVERHEAD);
    const [first] = blocks;
    const single = first !== undefined && blocks.length === 1;
    this.#blobs.set(digest, single ? new BytesBlob(digest, first) : new BlocksBlob(digest, blocks));
  }

  #forget(upload: MemoryUpload): void {
    if (this.#uploads.get(upload.id) === upload) this.#uploads.delete(upload.id);
  }

  #assertOpen(): void {
    if (this.#closed) throw new LayerdError("UNAVAILABLE", "the store is closed");
  }
}

class LimitedRoom implements Room {
  readonly #limit: number;
  #used = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get left(): number {
    return this.#limit - this.#used;
  }

  take(bytes: number, atLeast = 1): number {
    const taken = Math.min(bytes, this.#limit - this.#used);
    if (taken < atLeast) throw new LayerdError("STORE_FULL", undefined, { detail: { limit: this.#limit } });
    this.#used += taken;
    return taken;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}
