import { Readable, type Writable } from "node:stream";
import type { Digest } from "../core/digest.ts";
import { Outlet } from "./outlet.ts";
import type { BlobHandle, ByteSpan } from "./port.ts";

/** A blob whose bytes are in memory. Holds nothing that would have to be released. */
export class BytesBlob implements BlobHandle {
  readonly digest: Digest;
  readonly size: number;
  readonly bytes: Buffer;

  constructor(digest: Digest, bytes: Buffer) {
    this.digest = digest;
    this.size = bytes.length;
    this.bytes = bytes;
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
