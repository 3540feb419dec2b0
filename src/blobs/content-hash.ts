import { createHash, hash } from "node:crypto";
import { type Digest, type DigestAlgorithm, makeDigest } from "../core/digest.ts";
import { isMovable } from "./chunk-memory.ts";
import type { HashSession, HashThreads } from "./hasher.ts";

/** A file and how much of it counts. */
export interface FilePart {
  readonly fd: number;
  /** Bytes from the beginning. */
  readonly length: number;
}

/**
 * The digests of an upload's bytes. A content that comes in one piece is hashed here and now; a longer one is
 * hashed on another thread, which follows the file as it grows. Whatever has been lost (by a failed write, by
 * a restart) is computed again from the file, when it is needed.
 */
export class ContentHash {
  readonly #threads: HashThreads;
  readonly #algorithms: readonly DigestAlgorithm[];
  #session: HashSession | undefined;
  #digests: { readonly length: number; readonly values: readonly Digest[] } | undefined;

  constructor(threads: HashThreads, algorithms: readonly DigestAlgorithm[]) {
    this.#threads = threads;
    this.#algorithms = algorithms;
  }

  /** Takes pieces that are the whole content. */
  whole(pieces: readonly Uint8Array[]): void {
    const length = lengthOf(pieces);
    const values = this.#algorithms.map((algorithm) => makeDigest(algorithm, hashOf(algorithm, pieces)));
    this.#digests = { length, values };
  }

  /** Has a file that has grown hashed in the background. */
  follow({ fd, length }: FilePart): void {
    this.#begin(fd).advance(length);
  }

  /**
   * The same, with the bytes by which it has grown still at hand.
   * @param own whether nobody else has them: their memory is freed.
   * @returns when their memory is free, if that is not yet so.
   */
  followWith(
    chunks: readonly Uint8Array[],
    own: boolean,
    { fd, length }: FilePart,
  ): Promise<void> | undefined {
    const session = this.#begin(fd);
    if (!session.isAt(length - lengthOf(chunks))) {
      session.advance(length);
      return undefined;
    }
    return session.take(own && chunks.every(isMovable) ? chunks : [copyOf(chunks)]);
  }

  /** The digests in the order of the algorithms. Rejects with UNAVAILABLE; then it may be tried again. */
  async digests(part: FilePart): Promise<readonly Digest[]> {
    if (part.length === 0) this.whole([]);
    if (this.#digests?.length === part.length) return this.#digests.values;
    this.follow(part);
    try {
      const hexes = (await this.#session?.digest()) ?? [];
      const values = this.#algorithms.map((algorithm, i) => makeDigest(algorithm, hexes[i] ?? ""));
      this.#digests = { length: part.length, values };
      return values;
    } finally {
      await this.#endSession();
    }
  }

  /** Lets go of what has been computed: of a file that was cut off it is wrong. When it resolves, no thread reads from the file any more. */
  async forget(): Promise<void> {
    this.#digests = undefined;
    await this.#endSession();
  }

  #begin(fd: number): HashSession {
    this.#session ??= this.#threads.begin(fd, this.#algorithms);
    return this.#session;
  }

  async #endSession(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.drop();
  }
}

function hashOf(algorithm: DigestAlgorithm, pieces: readonly Uint8Array[]): string {
  const [first] = pieces;
  if (first !== undefined && pieces.length === 1) return hash(algorithm, first, "hex");
  const many = createHash(algorithm);
  for (const piece of pieces) many.update(piece);
  return many.digest("hex");
}

function lengthOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0);
}

/** In memory that nobody else has. */
function copyOf(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(lengthOf(pieces));
  let at = 0;
  for (const piece of pieces) {
    copy.set(piece, at);
    at += piece.length;
  }
  return copy;
}
