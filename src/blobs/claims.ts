import { algorithmOf, type Digest, type DigestAlgorithm } from "../core/digest.ts";
import { isLayerdError, LayerdError } from "../core/errors.ts";
import type { Expected } from "./port.ts";

/** Algorithms of expected digests that have not been computed. */
export function missingAlgorithms(
  expected: Expected,
  computed: readonly DigestAlgorithm[],
): DigestAlgorithm[] {
  return [...new Set((expected.digests ?? []).map(algorithmOf))].filter((one) => !computed.includes(one));
}

/** @throws SIZE_INVALID */
export function checkSize(expected: Expected, size: number): void {
  if (expected.size === undefined || expected.size === size) return;
  throw new LayerdError("SIZE_INVALID", `${size} bytes arrived, ${expected.size} were announced`, {
    detail: { expected: expected.size, actual: size },
  });
}

/** @throws DIGEST_INVALID */
export function checkDigests(expected: Expected, actual: readonly Digest[]): void {
  for (const digest of expected.digests ?? []) {
    if (actual.includes(digest)) continue;
    const computed = actual.find((one) => algorithmOf(one) === algorithmOf(digest));
    throw new LayerdError("DIGEST_INVALID", `the bytes are ${computed}, not ${digest}`, {
      detail: { expected: digest, actual: computed },
    });
  }
}

/** The digest that names the blob: what the client expects comes first. */
export function namingDigest(expected: Expected, actual: readonly Digest[]): Digest {
  const digest = expected.digests?.[0] ?? actual[0];
  if (digest === undefined) throw new Error("an upload without digest algorithms");
  return digest;
}

/** @throws OFFSET_MISMATCH, which tells where the upload stands. */
export function checkOffset(at: number, offset: number): void {
  if (at === offset) return;
  throw new LayerdError("OFFSET_MISMATCH", `the upload is at offset ${offset}, not ${at}`, {
    detail: { expected: offset, provided: at },
    headers: { "Upload-Offset": String(offset) },
  });
}

/** Whether an error says that the bytes are not what was expected. */
export function isMismatch(error: unknown): boolean {
  return isLayerdError(error, "SIZE_INVALID") || isLayerdError(error, "DIGEST_INVALID");
}
