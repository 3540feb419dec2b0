import { Readable } from "node:stream";
import type { BlobStore } from "../../blobs/port.ts";
import { algorithmOf, type Digest } from "../../core/digest.ts";
import { isLayerdError } from "../../core/errors.ts";
import type { Source, SourceBytes } from "./source.ts";

/** Why a blob could not be copied. */
export interface Wrong {
  /** `damaged`: its bytes are others. `unreadable`: the disk does not give them. `missing`: there are none. */
  readonly what: "damaged" | "unreadable" | "missing";
  readonly why: string;
}

export interface TransferOptions {
  /** Told of each piece. */
  readonly onPiece?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Copies bytes from one store to another, and compares them with their digest on the way. */
export class Transfer {
  readonly #source: Source;
  readonly #blobs: BlobStore;
  readonly #options: TransferOptions;

  constructor(source: Source, blobs: BlobStore, options: TransferOptions) {
    this.#source = source;
    this.#blobs = blobs;
    this.#options = options;
  }

  /**
   * When it resolves without a reason why not, the blob is in the target, durably. The caller holds it.
   * @throws what is wrong with the target, or with a source that has gone
   */
  async copy(digest: Digest, size: number): Promise<Wrong | undefined> {
    const wrong = await this.#attempt(digest, size);
    // A push may just have replaced it.
    return wrong && (await this.#attempt(digest, size));
  }

  async #attempt(digest: Digest, size: number): Promise<Wrong | undefined> {
    this.#options.signal?.throwIfAborted();
    const bytes = await this.#source.bytes(digest).catch((error: unknown) => this.#unreadable(error));
    if (bytes === undefined) return { what: "missing", why: "its bytes are gone" };
    if ("why" in bytes) return bytes;
    try {
      if (bytes.size === size) return await this.#store(digest, bytes);
      return { what: "damaged", why: `it has ${bytes.size} bytes, and should have ${size}` };
    } finally {
      await bytes.close();
    }
  }

  async #store(digest: Digest, { size, stream }: SourceBytes): Promise<Wrong | undefined> {
    const { onPiece, signal } = this.#options;
    let failure: unknown;
    stream.once("error", (error) => {
      failure = error;
    });
    const upload = await this.#blobs.begin({ algorithms: [algorithmOf(digest)] });
    try {
      const source = Readable.from(counted(stream, onPiece), { objectMode: false });
      await upload.append(source, { at: 0, limit: size, ...(signal && { signal }) });
      await upload.commit({ digests: [digest], size });
      return undefined;
    } catch (error) {
      await upload.cancel();
      signal?.throwIfAborted();
      if (isLayerdError(error, "DIGEST_INVALID") || isLayerdError(error, "SIZE_INVALID"))
        return { what: "damaged", why: error.message };
      // Else it is the target that has failed, which ends the stream too.
      if (error !== failure) throw error;
      return await this.#unreadable(error);
    }
  }

  /** A store that does not answer any more is no blob that cannot be read. @throws when it does not */
  async #unreadable(error: unknown): Promise<Wrong> {
    await this.#source.repositories({ limit: 1 });
    const { cause = error } = error as Error;
    return { what: "unreadable", why: `it cannot be read: ${(cause as Error).message}` };
  }
}

async function* counted(stream: Readable, onPiece: TransferOptions["onPiece"]): AsyncGenerator<Buffer> {
  for await (const piece of stream as AsyncIterable<Buffer>) {
    onPiece?.(piece.length);
    yield piece;
  }
}
