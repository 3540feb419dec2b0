import { invalidLayer } from "./invalid.ts";
import { looksLike } from "./looks-like.ts";
import { HEADER, TarEntries } from "./tar-entries.ts";
import { TarProblem } from "./tar-header.ts";

/**
 * Walks a tar archive (v7, ustar, pax, GNU) as it streams by, and says when it is none. It accepts what Go's
 * archive/tar accepts, by which container engines unpack, save that it passes over the maps of sparse files
 * unread: so an archive may be empty, may end without its two blocks of zeros, and anything may follow them.
 */
export class TarCheck {
  readonly #entries = new TarEntries();
  #next = HEADER;
  /** What is left to pass over before the next part. */
  #data = 0;
  #padding = 0;
  /** The beginning of a part that did not come in one piece. */
  #partial = Buffer.alloc(0);
  #have = 0;
  /** Bytes of the archive walked. */
  #offset = 0;

  /** @throws LAYER_INVALID at the first part that belongs to no tar archive. */
  write(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && this.#next.part !== "end") {
      const step = this.#passOver(chunk.length - at) || this.#gather(chunk, at);
      at += step;
      this.#offset += step;
    }
  }

  /** @throws LAYER_INVALID when the archive ends inside an entry. */
  end(): void {
    const { part } = this.#next;
    const betweenEntries = (part === "header" || part === "secondZeroBlock") && this.#have === 0;
    // Go takes an archive that ends in the padding of its last entry, too.
    if (part === "end" || (this.#data === 0 && betweenEntries)) return;
    if (this.#offset === this.#have) throw this.#notTar(this.#partial.subarray(0, this.#have));
    throw invalidLayer("tar", this.#offset, "it ends in the middle of an entry");
  }

  #passOver(available: number): number {
    const data = Math.min(this.#data, available);
    this.#data -= data;
    const padding = Math.min(this.#padding, available - data);
    this.#padding -= padding;
    return data + padding;
  }

  #gather(chunk: Buffer, at: number): number {
    const { size } = this.#next;
    const want = size - this.#have;
    if (want === size && chunk.length - at >= size) {
      this.#read(chunk.subarray(at, at + size), this.#offset);
      return size;
    }
    if (this.#have === 0) this.#partial = Buffer.alloc(size);
    const step = chunk.copy(this.#partial, this.#have, at, at + want);
    this.#have += step;
    if (step === want) this.#read(this.#partial, this.#offset + step - size);
    return step;
  }

  #read(bytes: Buffer, start: number): void {
    this.#have = 0;
    try {
      this.#next = this.#entries.read(this.#next.part, bytes);
    } catch (error) {
      if (!(error instanceof TarProblem)) throw error;
      throw start === 0 ? this.#notTar(bytes) : invalidLayer("tar", start, `an entry ${error.message}`);
    }
    this.#data = this.#next.data;
    this.#padding = this.#next.padding;
  }

  #notTar(head: Buffer): Error {
    const guess = looksLike(head);
    return invalidLayer("tar", 0, guess === undefined ? "it does not begin as one" : `it begins as ${guess}`);
  }
}
