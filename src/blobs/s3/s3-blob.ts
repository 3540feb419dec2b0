import { Readable, type Writable } from "node:stream";
import type { Digest } from "../../core/digest.ts";
import { Outlet } from "../outlet.ts";
import type { BlobHandle, ByteSpan } from "../port.ts";
import type { Bucket } from "./bucket.ts";
import type { StoredObject } from "./catalog.ts";
import { chunksOf } from "./chunks.ts";

/** A blob in the bucket. Holds nothing: every transfer is a request of its own. */
export class S3Blob implements BlobHandle {
  readonly digest: Digest;
  readonly size: number;
  readonly #bucket: Bucket;
  readonly #object: StoredObject;

  constructor(bucket: Bucket, object: StoredObject) {
    this.digest = object.digest;
    this.size = object.size;
    this.#bucket = bucket;
    this.#object = object;
  }

  async send(writable: Writable, span: ByteSpan = { start: 0, end: this.size }): Promise<void> {
    const gone = new AbortController();
    const onClose = () =>
      gone.abort(writable.errored ?? new Error("the stream closed before all bytes were written"));
    const outlet = new Outlet(writable);
    if (writable.destroyed) onClose();
    writable.on("close", onClose);
    try {
      for await (const chunk of chunksOf(this.#bucket, this.#object, span, gone.signal))
        await outlet.write(chunk);
    } finally {
      writable.off("close", onClose);
      outlet.close();
    }
  }

  stream(span: ByteSpan = { start: 0, end: this.size }): Readable {
    const gone = new AbortController();
    return new ChunkStream(chunksOf(this.#bucket, this.#object, span, gone.signal), gone);
  }

  close(): void {}
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
