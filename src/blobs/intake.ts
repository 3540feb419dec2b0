import type { Share } from "./buffers.ts";
import { free } from "./connection.ts";
import type { ContentHash, FilePart } from "./content-hash.ts";
import type { UploadFile } from "./upload-file.ts";

// So many chunks are written together, and so many wait at most, however small they are: each costs memory
// beside its bytes.
const CHUNKS_MAX = 256;
const CHUNKS_WAITING_MAX = 1024;

/**
 * What one append does with bytes. Chunks are gathered, not copied; enough of them are written together, and
 * hashed on another thread, while the next ones arrive.
 */
export class Intake {
  readonly #file: UploadFile;
  readonly #hash: ContentHash;
  readonly #share: Share;
  #chunks: Uint8Array[] = [];
  /** Those of them that nobody else has. */
  #own: Uint8Array[] = [];
  #bytes = 0;
  /** One at a time, so that what is in the file never has a hole. Never rejects. */
  #writing: Promise<void> | undefined;
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
    this.#chunks.push(chunk);
    if (own) this.#own.push(chunk);
    this.#bytes += chunk.length;
    const fits = this.#share.hold(chunk.length) && this.#chunks.length <= CHUNKS_WAITING_MAX;
    if (!fits || this.#isEnough) this.flush();
    return fits ? undefined : this.#writing;
  }

  /** Writes what has been gathered, also when it is not much. Does nothing while a write is going on. */
  flush(): void {
    if (this.#writing === undefined && this.#chunks.length > 0)
      this.#write((part) => this.#hash.follow(part));
  }

  /** Resolves when everything taken is written; throws what went wrong. */
  async finish(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    if (this.#failure === undefined && this.#chunks.length > 0) await this.#writeLast();
    this.#share.letGo(this.#bytes);
    if (this.#failure === undefined) return;
    // The file may be cut off where it is known to be durable.
    await this.#hash.forget();
    await this.#file.settle();
    throw this.#failure.error;
  }

  get #isEnough(): boolean {
    return this.#bytes >= this.#share.size || this.#chunks.length >= CHUNKS_MAX;
  }

  async #writeLast(): Promise<void> {
    // All there is, and still at hand: cheaper hashed now than handed to another thread.
    const isAll = this.#file.offset === 0;
    if (isAll) this.#hash.whole(this.#chunks);
    this.#write(isAll ? () => {} : (part) => this.#hash.follow(part));
    await this.#writing;
  }

  #write(then: (part: FilePart) => void): void {
    const [chunks, own, bytes] = [this.#chunks, this.#own, this.#bytes];
    this.#chunks = [];
    this.#own = [];
    this.#bytes = 0;
    this.#writing = this.#file
      .write(chunks)
      .then(then)
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .then(() => {
        this.#writing = undefined;
        this.#share.letGo(bytes);
        own.forEach(free);
        if (this.#failure === undefined && this.#isEnough) this.flush();
      });
  }
}
