// Bytes. Most uploads are small: memory comes as it is needed, twice as much each time.
const FIRST = 64 * 1024;

/** The bytes of one part as they gather. Copies what it is given. */
export class PartBuffer {
  readonly #limit: number;
  #memory: Uint8Array<ArrayBuffer>;
  #length = 0;

  /**
   * @param limit bytes of a whole part.
   * @param memory that it may have, if it is of a whole part's length.
   */
  constructor(limit: number, memory: Uint8Array<ArrayBuffer> = new Uint8Array(0)) {
    this.#limit = limit;
    this.#memory = memory.length === limit ? memory : new Uint8Array(0);
  }

  /** Of which it is likely that it gets as long as a whole part: all memory is taken at once. */
  static whole(limit: number, memory?: Uint8Array<ArrayBuffer>): PartBuffer {
    return new PartBuffer(limit, memory?.length === limit ? memory : Buffer.allocUnsafeSlow(limit));
  }

  get length(): number {
    return this.#length;
  }

  /** Bytes of memory. */
  get capacity(): number {
    return this.#memory.length;
  }

  /** Bytes that still fit. */
  get room(): number {
    return this.#limit - this.#length;
  }

  /** Not while the memory is lent. */
  get bytes(): Buffer {
    return Buffer.from(this.#memory.buffer, 0, this.#length);
  }

  /** At most as many bytes as there is room for. */
  append(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (length > this.#memory.length) this.#grow(length);
    this.#memory.set(bytes, this.#length);
    this.#length = length;
  }

  /** Gives the memory, with the bytes in it, to another thread, until `takeBack`. */
  lend(): ArrayBuffer {
    return this.#memory.buffer;
  }

  takeBack(memory: ArrayBuffer): void {
    this.#memory = new Uint8Array(memory);
  }

  /** The memory, for another part: nobody looks at the bytes any more. */
  end(): Uint8Array<ArrayBuffer> {
    this.#length = 0;
    return this.#memory;
  }

  #grow(atLeast: number): void {
    const memory = Buffer.allocUnsafeSlow(
      Math.min(this.#limit, Math.max(FIRST, atLeast, this.#memory.length * 2)),
    );
    memory.set(this.bytes);
    this.#memory = memory;
  }
}
