import { createHash } from "node:crypto";
import { type Digest, type DigestAlgorithm, makeDigest } from "../../core/digest.ts";
import type { Bucket } from "./bucket.ts";
import type { StoredObject } from "./catalog.ts";
import { chunksOf } from "./chunks.ts";

/**
 * The digests of an object by reading it; without algorithms nothing is read.
 * @throws UNAVAILABLE when it cannot be read.
 */
export async function readBack(
  bucket: Bucket,
  object: Pick<StoredObject, "key" | "size">,
  algorithms: readonly DigestAlgorithm[],
): Promise<Digest[]> {
  if (algorithms.length === 0) return [];
  const hashes = algorithms.map((algorithm) => createHash(algorithm));
  const span = { start: 0, end: object.size };
  for await (const chunk of chunksOf(bucket, object, span, new AbortController().signal)) {
    for (const hash of hashes) hash.update(chunk);
  }
  return algorithms.map((algorithm, i) => makeDigest(algorithm, hashes[i]?.digest("hex") ?? ""));
}
