import { createHash } from "node:crypto";
import type { Payload } from "./bucket.ts";

// Bytes. Most uploads are small: memory comes as it is needed, twice as much each time.
const FIRST = 64 * 1024;

/** The bytes of one part as they gather, and their SHA-256. Copies what it is given. */
export class PartBuffer {
  readonly #limit: number;
  readonly #first: number;
  readonly #hash = createHash("sha256");
  #memory = Buffer.alloc(0);
  #length = 0;

  /**
   * @param limit bytes of a whole part.
   * @param whole whether it is likely to get so long: then all memory is taken at once.
   */
  constructor(limit: number, whole = false) {
    this.#limit = limit;
    this.#first = whole ? limit : FIRST;
  }

  get length(): number {
    return this.#length;
  }

  /** Bytes that still fit. */
  get room(): number {
    return this.#limit - this.#length;
  }

  get bytes(): Buffer {
    return this.#memory.subarray(0, this.#length);
  }

  /** At most as many bytes as there is room for. */
  append(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (length > this.#memory.length) this.#grow(length);
    this.#memory.set(bytes, this.#length);
    this.#hash.update(bytes);
    this.#length = length;
  }

  /** What has gathered, as it is to be sent. */
  payload(): Payload {
    return { bytes: this.bytes, sha256: this.#hash.copy().digest("hex") };
  }

  #grow(atLeast: number): void {
    const wanted = Math.max(this.#first, atLeast, this.#memory.length * 2);
    const memory = Buffer.allocUnsafeSlow(Math.min(this.#limit, wanted));
    memory.set(this.bytes);
    this.#memory = memory;
  }
}
