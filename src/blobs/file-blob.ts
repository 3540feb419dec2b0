import { Readable, type Writable } from "node:stream";
import type { Digest } from "../core/digest.ts";
import type { Share, TransferMemory } from "./buffers.ts";
import { close, read } from "./disk.ts";
import { Outlet } from "./outlet.ts";
import type { BlobHandle, ByteSpan } from "./port.ts";
import { pump } from "./pump.ts";

// One buffer is read into while the other one is being sent.
const PLAN = { limit: 2 * 1024 * 1024, parts: 2 };

/** A blob in an open file. Each transfer holds the file open too, so that closing early hurts nobody. */
export class FileBlob implements BlobHandle {
  readonly digest: Digest;
  readonly size: number;
  readonly #memory: TransferMemory;
  readonly #fd: number;
  #users = 1;
  #closed: Promise<void> | undefined;

  /** Takes over the descriptor. */
  constructor(stat: { readonly digest: Digest; readonly size: number }, fd: number, memory: TransferMemory) {
    this.digest = stat.digest;
    this.size = stat.size;
    this.#fd = fd;
    this.#memory = memory;
  }

  async send(writable: Writable, span: ByteSpan = { start: 0, end: this.size }): Promise<void> {
    this.#enter();
    const share = this.#memory.join(PLAN);
    const outlet = new Outlet(writable);
    const deliver = (bytes: Uint8Array) => outlet.write(bytes);
    try {
      await pump({ fd: this.#fd, span, share, deliver, reuse: outlet.releasesChunks });
    } finally {
      outlet.close();
      share.leave();
      await this.#exit();
    }
  }

  stream(span: ByteSpan = { start: 0, end: this.size }): Readable {
    this.#enter();
    const share = this.#memory.join(PLAN);
    return new FileStream(this.#fd, span, share, async () => {
      share.leave();
      await this.#exit();
    });
  }

  close(): Promise<void> {
    this.#closed ??= this.#exit();
    return this.#closed;
  }

  #enter(): void {
    if (this.#closed !== undefined) throw new Error("the handle is closed");
    this.#users += 1;
  }

  async #exit(): Promise<void> {
    this.#users -= 1;
    if (this.#users === 0) await close(this.#fd);
  }
}

/** A span of a file. Its chunks are their reader's to keep, so their memory is never used again. */
class FileStream extends Readable {
  readonly #fd: number;
  readonly #share: Share;
  readonly #end: number;
  readonly #ended: () => Promise<void>;
  #at: number;
  #reading: Promise<void> | undefined;

  constructor(fd: number, span: ByteSpan, share: Share, ended: () => Promise<void>) {
    super({ highWaterMark: share.size });
    this.#fd = fd;
    this.#at = span.start;
    this.#end = span.end;
    this.#share = share;
    this.#ended = ended;
  }

  override _read(): void {
    this.#reading = this.#next().then(
      (chunk) => {
        this.#reading = undefined;
        this.push(chunk);
      },
      (error: Error) => {
        this.#reading = undefined;
        this.destroy(error);
      },
    );
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    // A thread may still be reading from the descriptor.
    const released = Promise.resolve(this.#reading).then(() => this.#ended());
    released.then(
      () => callback(error),
      (failure: Error) => callback(error ?? failure),
    );
  }

  async #next(): Promise<Buffer | null> {
    if (this.#at >= this.#end) return null;
    const chunk = Buffer.allocUnsafeSlow(Math.min(this.#share.size, this.#end - this.#at));
    const length = await read(this.#fd, chunk, chunk.length, this.#at);
    if (length === 0) throw new Error(`the file ends at byte ${this.#at}, before byte ${this.#end}`);
    this.#at += length;
    return chunk.subarray(0, length);
  }
}
