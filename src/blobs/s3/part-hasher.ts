import { hash } from "node:crypto";
import { type Digest, type DigestAlgorithm, makeDigest } from "../../core/digest.ts";
import type { HashThread } from "../hash-thread.ts";
import type { HashThreads } from "../hasher.ts";
import type { PartBuffer } from "./part-buffer.ts";

// Bytes that are hashed here and now: for so few another thread is not worth asking.
const FEW = 1024 * 1024;

/** What is known of a part, or of as much of it as there is. */
export interface HashedPart {
  /** Of the part's bytes, in hexadecimal. */
  readonly sha256: string;
  /** Of all bytes until its end, in the order of the algorithms; empty when nobody has hashed those before. */
  readonly digests: readonly Digest[];
}

/**
 * The hashes of the parts of one upload, and of all its bytes, which another thread computes: a part's memory moves
 * there and back. After a failure it is good for nothing but `drop`.
 */
export class PartHasher {
  readonly #threads: HashThreads;
  readonly #algorithms: readonly DigestAlgorithm[];
  #session: { readonly thread: HashThread; readonly id: number } | undefined;
  /** Bytes of the part that has begun which the thread has been given. */
  #given = 0;
  /** The last answer, or what it is going to be. */
  #latest: Promise<HashedPart> | undefined;

  /** @param algorithms of the digests; none when what goes before the first part is not known. */
  constructor(threads: HashThreads, algorithms: readonly DigestAlgorithm[]) {
    this.#threads = threads;
    this.#algorithms = algorithms;
  }

  /**
   * Hashes the part that has gathered, of which it may have seen the beginning. Until it resolves, nobody may use the
   * buffer. Answers come in the order of asking.
   * @param options.last whether another part begins behind it.
   * @throws UNAVAILABLE when the thread has died; the bytes are lost then.
   */
  async hash(part: PartBuffer, { last }: { readonly last: boolean }): Promise<HashedPart> {
    if (this.#session === undefined && part.length <= FEW && !last) return this.#hashHere(part.bytes);
    const isKnown = part.length === this.#given && !last;
    this.#latest = (isKnown ? this.#latest : undefined) ?? this.#hashThere(part, last);
    return await this.#latest;
  }

  /** Ends it. Idempotent. */
  drop(): void {
    const session = this.#session;
    this.#session = undefined;
    session?.thread.tell({ type: "drop", session: session.id });
    session?.thread.leave();
  }

  #hashHere(bytes: Buffer): HashedPart {
    const sha256 = hash("sha256", bytes, "hex");
    const hexes = this.#algorithms.map((algorithm) =>
      algorithm === "sha256" ? sha256 : hash(algorithm, bytes, "hex"),
    );
    return { sha256, digests: this.#toDigests(hexes) };
  }

  async #hashThere(buffer: PartBuffer, last: boolean): Promise<HashedPart> {
    const { thread, id } = this.#begun();
    const [from, to] = [this.#given, buffer.length];
    this.#given = last ? 0 : to;
    // Memory that goes and comes back makes V8 collect garbage, the more the more of it is away at once.
    await this.#latest;
    const memory = buffer.lend();
    const { digests, part } = await thread.ask({ type: "part", session: id, memory, from, to, last }, [
      memory,
    ]);
    if (part === undefined) throw new Error("the hashing thread has kept a part");
    buffer.takeBack(part.memory);
    return { sha256: part.sha256, digests: this.#toDigests(digests) };
  }

  #begun(): { readonly thread: HashThread; readonly id: number } {
    if (this.#session !== undefined) return this.#session;
    const thread = this.#threads.leastBusy();
    this.#session = { thread, id: thread.enter() };
    thread.tell({ type: "begin", session: this.#session.id, algorithms: this.#algorithms });
    return this.#session;
  }

  #toDigests(hexes: readonly string[]): Digest[] {
    return this.#algorithms.map((algorithm, i) => makeDigest(algorithm, hexes[i] ?? ""));
  }
}
