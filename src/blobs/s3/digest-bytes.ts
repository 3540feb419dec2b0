import { algorithmOf, type Digest, type DigestAlgorithm, hexOf, makeDigest } from "../../core/digest.ts";

/** The first byte of a stored digest. Never to be changed: rows have them. */
const CODES: Readonly<Record<DigestAlgorithm, number>> = { sha256: 1, sha512: 2 };

/** One byte for the algorithm, then the hash. The bytes sort as the texts do. */
export function toBytes(digest: Digest): Buffer {
  return Buffer.concat([Buffer.of(CODES[algorithmOf(digest)]), Buffer.from(hexOf(digest), "hex")]);
}

export function fromBytes(bytes: Buffer): Digest {
  const algorithm = (Object.keys(CODES) as DigestAlgorithm[]).find((one) => CODES[one] === bytes[0]);
  if (algorithm === undefined) throw new Error(`a digest of an unknown algorithm: ${bytes[0]}`);
  return makeDigest(algorithm, bytes.toString("hex", 1));
}
