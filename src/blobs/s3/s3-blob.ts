import { Readable, type Writable } from "node:stream";
import type { Digest } from "../../core/digest.ts";
import { LayerdError } from "../../core/errors.ts";
import { Outlet } from "../outlet.ts";
import type { BlobHandle, ByteSpan } from "../port.ts";
import type { Bucket } from "./bucket.ts";
import type { StoredObject } from "./catalog.ts";
import { toStoreError } from "./errors.ts";

// A GET that breaks off goes on where it was, unless so many in a row have brought nothing.
const FRUITLESS_MAX = 2;

/** A blob in the bucket. Holds nothing: every transfer is a request of its own. */
export class S3Blob implements BlobHandle {
  readonly digest: Digest;
  readonly size: number;
  readonly #bucket: Bucket;
  readonly #key: string;

  constructor(bucket: Bucket, { key, digest, size }: StoredObject) {
    this.digest = digest;
    this.size = size;
    this.#bucket = bucket;
    this.#key = key;
  }

  async send(writable: Writable, span: ByteSpan = { start: 0, end: this.size }): Promise<void> {
    const gone = new AbortController();
    const onClose = () =>
      gone.abort(writable.errored ?? new Error("the stream closed before all bytes were written"));
    const outlet = new Outlet(writable);
    if (writable.destroyed) onClose();
    writable.on("close", onClose);
    try {
      for await (const chunk of this.#chunks(span, gone.signal)) await outlet.write(chunk);
    } finally {
      writable.off("close", onClose);
      outlet.close();
    }
  }

  stream(span: ByteSpan = { start: 0, end: this.size }): Readable {
    const gone = new AbortController();
    return new ChunkStream(this.#chunks(span, gone.signal), gone);
  }

  close(): void {}

  async *#chunks({ start, end }: ByteSpan, signal: AbortSignal): AsyncGenerator<Buffer> {
    let at = start;
    for (let fruitless = 0; at < end; ) {
      const before = at;
      try {
        for await (const chunk of await this.#get({ start: at, end }, signal)) {
          at += chunk.length;
          yield chunk;
        }
        if (at < end) throw new Error(`the answer ended at byte ${at}, before byte ${end}`);
      } catch (error) {
        signal.throwIfAborted();
        fruitless = at === before ? fruitless + 1 : 0;
        if (fruitless >= FRUITLESS_MAX) throw toStoreError(error);
      }
    }
  }

  async #get(span: ByteSpan, signal: AbortSignal): Promise<Readable> {
    signal.throwIfAborted();
    const body = await this.#bucket.get(this.#key, span, signal);
    if (body !== undefined) return body;
    throw new LayerdError("UNAVAILABLE", "the bytes of this blob are gone");
  }
}

/** Unlike `Readable.from`, ends at once when it is destroyed, also while nothing comes. */
class ChunkStream extends Readable {
  readonly #chunks: AsyncGenerator<Buffer>;
  readonly #gone: AbortController;

  constructor(chunks: AsyncGenerator<Buffer>, gone: AbortController) {
    super();
    this.#chunks = chunks;
    this.#gone = gone;
  }

  override _read(): void {
    this.#chunks.next().then(
      ({ done, value }) => this.push(done ? null : value),
      (error: Error) => this.destroy(error),
    );
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#gone.abort(new Error("the stream was destroyed"));
    this.#chunks.return(undefined).then(
      () => callback(error),
      () => callback(error),
    );
  }
}
