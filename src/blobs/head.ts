import { SNIFF_LENGTH } from "../core/media-type.ts";

/** Remembers the first bytes of an upload, which name its media type. */
export class Head {
  #bytes: Buffer;

  constructor(bytes: Buffer = Buffer.alloc(0)) {
    this.#bytes = bytes;
  }

  /** Sees the chunk that follows. */
  see(chunk: Uint8Array): void {
    const missing = SNIFF_LENGTH - this.#bytes.length;
    if (missing > 0) this.#bytes = Buffer.concat([this.#bytes, chunk.subarray(0, missing)]);
  }

  /** Forgets bytes behind `offset`, which were seen and did not come to stay. */
  cut(offset: number): void {
    this.#bytes = this.upTo(offset);
  }

  upTo(offset: number): Buffer {
    return offset < this.#bytes.length ? this.#bytes.subarray(0, offset) : this.#bytes;
  }
}
