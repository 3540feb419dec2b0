import { LRUCache } from "lru-cache";
import type { BlobIngester, BlobUpload, UploadId } from "../blobs/port.ts";
import { algorithmsFor, type LayerClaims, type Place } from "./layers.ts";
import { makeNote } from "./upload-state.ts";

// Between two requests an upload keeps its hash and its file open, so that nothing is read again.
const KEPT_OPEN = 256;

/** Resumable uploads of the store, the latest of them kept open between the requests that work on them. */
export class OpenUploads {
  readonly #blobs: BlobIngester;
  readonly #idle: LRUCache<UploadId, BlobUpload>;
  readonly #ended = new WeakSet<BlobUpload>();

  constructor(blobs: BlobIngester) {
    this.#blobs = blobs;
    this.#idle = new LRUCache({
      max: KEPT_OPEN,
      dispose: (upload, _id, reason) => {
        // A release that fails has closed what it could; the upload is found again by its record.
        if (reason === "evict") upload.release().catch(() => undefined);
      },
    });
  }

  /** Begins an upload; an older one of the same id is replaced. */
  async begin(id: UploadId, place: Place, claims: LayerClaims): Promise<BlobUpload> {
    this.#idle.delete(id);
    const algorithms = algorithmsFor(claims);
    return await this.#blobs.begin({ id, algorithms, resumable: true, note: makeNote(place, claims) });
  }

  /** The store is asked for one that is open, too: another server may have gone on with it. */
  async find(id: UploadId): Promise<BlobUpload | undefined> {
    return await this.#blobs.resume(id);
  }

  /** Runs `work` on an upload, and keeps it open afterwards, unless it has ended. */
  async use<T>(upload: BlobUpload, work: () => Promise<T>): Promise<T> {
    this.#idle.delete(upload.id);
    try {
      return await work();
    } finally {
      this.keep(upload);
    }
  }

  /**
   * Keeps an upload open that nobody works on now. The store is not asked about it: to ask for one that another
   * server has gone on with is to take it away from there. One that has ended by itself is a place taken by nothing.
   */
  keep(upload: BlobUpload): void {
    if (!this.#ended.has(upload)) this.#idle.set(upload.id, upload);
  }

  /** Ends an upload, and frees its space. */
  async cancel(upload: BlobUpload): Promise<void> {
    this.#idle.delete(upload.id);
    this.#ended.add(upload);
    await upload.cancel();
  }

  /** Ends one that has not been touched since that time. False when it has been. */
  async expire(id: UploadId, before: Date): Promise<boolean> {
    const expired = await this.#blobs.expire(id, before);
    if (expired) this.#idle.delete(id);
    return expired;
  }

  /** Every upload that is stored, with the time of its last change. */
  list(): ReturnType<BlobIngester["uploads"]> {
    return this.#blobs.uploads();
  }
}
