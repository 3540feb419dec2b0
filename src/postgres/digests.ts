import { algorithmOf, DIGEST_ALGORITHMS, type Digest, hexOf, makeDigest } from "../core/digest.ts";

/*
 * A digest as bytes: one for the algorithm, then the hash. Half of what its text takes, in every row and every
 * index, and in the same order.
 */

export function bytesOf(digest: Digest): Buffer {
  const number = DIGEST_ALGORITHMS.indexOf(algorithmOf(digest)) + 1;
  return Buffer.concat([Buffer.of(number), Buffer.from(hexOf(digest), "hex")]);
}

/** @throws RangeError for bytes that are not a digest's. */
export function digestFrom(bytes: Buffer): Digest {
  const algorithm = DIGEST_ALGORITHMS[(bytes[0] ?? 0) - 1];
  if (algorithm === undefined) throw new RangeError(`no digest: ${bytes.toString("hex")}`);
  return makeDigest(algorithm, bytes.toString("hex", 1));
}
