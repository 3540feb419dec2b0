import { createHash, type Hash, randomBytes, randomFillSync } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";

/*
 * Random content that is new for every run without being made anew: all but its last bytes stay. No contender
 * looks at less than a whole blob, so that nothing is deduplicated, and nothing compresses.
 */

const MIB = 1024 * 1024;
const TAIL = 64;

/** Ends for a content whose other bytes are known; each makes a new digest, for the price of hashing the end. */
class Tails {
  readonly #prefix: Hash;

  constructor(prefix: Hash) {
    this.#prefix = prefix;
  }

  next(): { readonly tail: Buffer; readonly digest: string } {
    const tail = randomBytes(TAIL);
    return { tail, digest: `sha256:${this.#prefix.copy().update(tail).digest("hex")}` };
  }
}

/** A file of random bytes. */
export class ContentFile {
  readonly path: string;
  /** Bytes, a whole number of KiB. */
  readonly size: number;
  readonly #tails: Tails;
  #digest = "";

  private constructor(path: string, size: number, prefix: Hash) {
    this.path = path;
    this.size = size;
    this.#tails = new Tails(prefix);
  }

  static async create(path: string, size: number): Promise<ContentFile> {
    await using file = await open(path, "wx");
    const content = new ContentFile(path, size, await fill(file, size));
    await content.renew();
    return content;
  }

  /** `sha256:<hex>` of what the file holds now. */
  get digest(): string {
    return this.#digest;
  }

  /** Makes it a content that nobody has seen before. */
  async renew(): Promise<void> {
    const { tail, digest } = this.#tails.next();
    await using file = await open(this.path, "r+");
    await file.write(tail, 0, TAIL, this.size - TAIL);
    this.#digest = digest;
  }
}

/** Writes `size` random bytes and returns the hash of all but the tail. */
async function fill(file: FileHandle, size: number): Promise<Hash> {
  const hash = createHash("sha256");
  for (let written = 0; written < size; written += MIB) {
    const block = randomFillSync(Buffer.alloc(Math.min(MIB, size - written)));
    await file.write(block);
    hash.update(block.subarray(0, Math.min(MIB, size - TAIL - written)));
  }
  return hash;
}

/** A content that exists only while it is being sent. */
export interface SyntheticLayer {
  readonly digest: string;
  readonly size: number;
  chunks(): Iterable<Buffer>;
}

/** Layers of one size for clients by the dozen: one block in memory serves them all. */
export class SyntheticLayers {
  readonly #block = randomBytes(MIB);
  readonly #size: number;
  readonly #tails: Tails;

  /** @param size bytes, a whole number of MiB. */
  constructor(size: number) {
    this.#size = size;
    const hash = createHash("sha256");
    for (let hashed = MIB; hashed < size; hashed += MIB) hash.update(this.#block);
    this.#tails = new Tails(hash.update(this.#block.subarray(0, MIB - TAIL)));
  }

  next(): SyntheticLayer {
    const { tail, digest } = this.#tails.next();
    return { digest, size: this.#size, chunks: () => this.#chunks(tail) };
  }

  *#chunks(tail: Buffer): Iterable<Buffer> {
    for (let sent = MIB; sent < this.#size; sent += MIB) yield this.#block;
    yield this.#block.subarray(0, MIB - TAIL);
    yield tail;
  }
}
