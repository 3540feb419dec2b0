import type { Share } from "./buffers.ts";
import { free } from "./chunk-memory.ts";
import type { ContentHash, FilePart } from "./content-hash.ts";
import type { UploadFile } from "./upload-file.ts";

// So many chunks are written together, and so many wait at most, however small they are: each costs memory
// beside its bytes.
const CHUNKS_MAX = 256;
const CHUNKS_WAITING_MAX = 1024;

/** Chunks that are written together. */
class Batch {
  readonly chunks: Uint8Array[] = [];
  /** Whether nobody else has any of them. */
  own = true;
  bytes = 0;
}

/**
 * What one append does with bytes. Chunks are gathered, not copied; enough of them are written together, then
 * hashed on another thread, while the next ones arrive.
 */
export class Intake {
  readonly #file: UploadFile;
  readonly #hash: ContentHash;
  readonly #share: Share;
  #batch = new Batch();
  /** One at a time, so that what is in the file never has a hole. Never rejects. */
  #writing: Promise<void> | undefined;
  /** What has been written last and waits to be hashed. Never rejects. */
  #hashing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(parts: { file: UploadFile; hash: ContentHash; share: Share }) {
    this.#file = parts.file;
    this.#hash = parts.hash;
    this.#share = parts.share;
  }

  /**
   * Takes a chunk over; with a promise when no more should come for now. Throws what went wrong before.
   * @param own whether nobody else has the chunk.
   */
  take(chunk: Uint8Array, own: boolean): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#batch.chunks.push(chunk);
    this.#batch.own &&= own;
    this.#batch.bytes += chunk.length;
    this.#share.hold(chunk.length);
    if (this.#isEnough) this.flush();
    return this.#fits ? undefined : this.#room();
  }

  /** Writes what has been gathered, also when it is not much. Does nothing while a write is going on. */
  flush(): void {
    if (this.#writing === undefined && this.#batch.chunks.length > 0) this.#write();
  }

  /** Resolves when everything taken is written; throws what went wrong. */
  async finish(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    if (this.#failure === undefined && this.#batch.chunks.length > 0) await this.#writeLast();
    await this.#hashing;
    this.#share.letGo(this.#batch.bytes);
    if (this.#failure === undefined) return;
    // The file may be cut off where it is known to be durable.
    await this.#hash.forget();
    await this.#file.settle();
    throw this.#failure.error;
  }

  get #isEnough(): boolean {
    return this.#batch.bytes >= this.#share.size || this.#batch.chunks.length >= CHUNKS_MAX;
  }

  get #fits(): boolean {
    return this.#share.fits && this.#batch.chunks.length <= CHUNKS_WAITING_MAX;
  }

  /** Resolves when enough of what was taken has been written and hashed. */
  async #room(): Promise<void> {
    while (!this.#fits && this.#failure === undefined) {
      if (this.#hashing === undefined) this.flush();
      await (this.#writing ?? this.#hashing);
    }
  }

  async #writeLast(): Promise<void> {
    // All there is, and still at hand: cheaper hashed now than handed to another thread.
    if (this.#file.offset === 0) this.#writeWhole();
    else this.#write();
    await this.#writing;
  }

  #writeWhole(): void {
    const batch = this.#gathered();
    this.#hash.whole(batch.chunks);
    this.#writing = this.#writeBatch(batch, () => this.#done(batch));
  }

  #write(): void {
    const batch = this.#gathered();
    this.#writing = this.#writeBatch(batch, (part) => this.#follow(batch, part)).then(() => {
      if (this.#failure === undefined && this.#isEnough) this.flush();
    });
  }

  #gathered(): Batch {
    const batch = this.#batch;
    this.#batch = new Batch();
    return batch;
  }

  async #writeBatch(batch: Batch, then: (part: FilePart) => void): Promise<void> {
    try {
      then(await this.#file.write(batch.chunks));
    } catch (error) {
      this.#failure ??= { error };
      this.#done(batch);
    } finally {
      this.#writing = undefined;
    }
  }

  #follow(batch: Batch, part: FilePart): void {
    const hashed = this.#hash.followWith(batch.chunks, batch.own, part);
    if (hashed === undefined) {
      this.#done(batch);
      return;
    }
    const hashing = hashed.then(() => {
      this.#share.letGo(batch.bytes);
      if (this.#hashing === hashing) this.#hashing = undefined;
    });
    this.#hashing = hashing;
  }

  #done({ chunks, bytes, own }: Batch): void {
    this.#share.letGo(bytes);
    if (own) chunks.forEach(free);
  }
}
