import { createHash, type Hash } from "node:crypto";
import { createSHA256, createSHA512, type IHasher } from "hash-wasm";
import { type Digest, type DigestAlgorithm, makeDigest } from "../../core/digest.ts";

/** The digests of bytes that pass. */
export interface Hashes {
  readonly algorithms: readonly DigestAlgorithm[];
  update(bytes: Uint8Array): void;
  /** Of everything so far, in the order of the algorithms; it can go on afterwards. */
  digests(): Digest[];
  /** The states in the order of the algorithms; empty when they cannot be stored. */
  save(): Buffer[];
}

/** By Node, six times as fast as the others; but its states cannot leave the process. */
export class FastHashes implements Hashes {
  readonly algorithms: readonly DigestAlgorithm[];
  readonly #hashes: readonly Hash[];

  constructor(algorithms: readonly DigestAlgorithm[]) {
    this.algorithms = algorithms;
    this.#hashes = algorithms.map((algorithm) => createHash(algorithm));
  }

  update(bytes: Uint8Array): void {
    for (const hash of this.#hashes) hash.update(bytes);
  }

  digests(): Digest[] {
    return this.#hashes.map((hash, i) =>
      makeDigest(this.algorithms[i] ?? "sha256", hash.copy().digest("hex")),
    );
  }

  save(): Buffer[] {
    return [];
  }
}

const CREATE: Readonly<Record<DigestAlgorithm, () => Promise<IHasher>>> = {
  sha256: createSHA256,
  sha512: createSHA512,
};

/** Whose states another process can go on with. */
export class StorableHashes implements Hashes {
  readonly algorithms: readonly DigestAlgorithm[];
  readonly #hashers: readonly IHasher[];

  private constructor(algorithms: readonly DigestAlgorithm[], hashers: readonly IHasher[]) {
    this.algorithms = algorithms;
    this.#hashers = hashers;
  }

  /**
   * @param states what `save` gave, to go on there.
   * @throws when the states are of another version of the library.
   */
  static async create(
    algorithms: readonly DigestAlgorithm[],
    states: readonly Buffer[] = [],
  ): Promise<StorableHashes> {
    const hashers = await Promise.all(algorithms.map((algorithm) => CREATE[algorithm]()));
    for (const [i, hasher] of hashers.entries()) {
      hasher.init();
      const state = states[i];
      if (state !== undefined) hasher.load(state);
    }
    return new StorableHashes(algorithms, hashers);
  }

  update(bytes: Uint8Array): void {
    for (const hasher of this.#hashers) hasher.update(bytes);
  }

  digests(): Digest[] {
    return this.#hashers.map((hasher, i) => {
      const state = hasher.save();
      const hex = hasher.digest("hex");
      hasher.init();
      hasher.load(state);
      return makeDigest(this.algorithms[i] ?? "sha256", hex);
    });
  }

  save(): Buffer[] {
    return this.#hashers.map((hasher) => Buffer.from(hasher.save()));
  }
}
