import { Readable, type Writable } from "node:stream";
import type { Digest } from "../core/digest.ts";
import { Outlet } from "./outlet.ts";
import type { BlobHandle, ByteSpan } from "./port.ts";

// Bytes. Beyond, copying costs more than a second buffer does.
const KEPT_AS_TEXT = 4096;

/** A blob whose bytes are in memory. Holds nothing that would have to be released. */
export class BytesBlob implements BlobHandle {
  readonly digest: Digest;
  readonly size: number;
  readonly bytes: Buffer;
  #latin1: string | undefined;

  constructor(digest: Digest, bytes: Buffer) {
    this.digest = digest;
    this.size = bytes.length;
    this.bytes = bytes;
  }

  get latin1(): string | undefined {
    if (this.size > KEPT_AS_TEXT) return undefined;
    this.#latin1 ??= this.bytes.toString("latin1");
    return this.#latin1;
  }

  async send(writable: Writable, span: ByteSpan = { start: 0, end: this.size }): Promise<void> {
    const outlet = new Outlet(writable);
    try {
      if (span.end > span.start) await outlet.write(this.bytes.subarray(span.start, span.end));
    } finally {
      outlet.close();
    }
  }

  stream(span: ByteSpan = { start: 0, end: this.size }): Readable {
    const part = this.bytes.subarray(span.start, span.end);
    return Readable.from(part.length === 0 ? [] : [part], { objectMode: false });
  }

  close(): void {}
}
