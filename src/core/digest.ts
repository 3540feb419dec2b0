import { hash } from "node:crypto";
import { LayerdError } from "./errors.ts";

/**
 * `algorithm:hex`, as image-spec §Digests defines it for its registered algorithms. The brand says that the
 * text has been parsed: below the edge nobody validates again, and a path is only ever built from one.
 */
export type Digest = string & { readonly __brand: "Digest" };

const HEX_LENGTHS = { sha256: 64, sha512: 128 } as const;
export type DigestAlgorithm = keyof typeof HEX_LENGTHS;
export const DIGEST_ALGORITHMS = Object.keys(HEX_LENGTHS) as readonly DigestAlgorithm[];

const DIGEST = /^(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$/;
const BARE_SHA256 = /^[a-f0-9]{64}$/;

export function isDigest(text: string): text is Digest {
  return DIGEST.test(text);
}

/** @throws DIGEST_INVALID that says what a digest looks like. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new LayerdError("DIGEST_INVALID", `not a digest: ${JSON.stringify(text.slice(0, 150))}`, {
    detail: { expected: "sha256:<64 lower-case hex digits> or sha512:<128 lower-case hex digits>" },
  });
}

/** The simple API's `{id}`: a digest, or the bare hex of a sha256 one. `undefined` when it is neither. */
export function digestOfId(id: string): Digest | undefined {
  if (isDigest(id)) return id;
  return BARE_SHA256.test(id) ? (`sha256:${id}` as Digest) : undefined;
}

/** Names a digest from its parts, as a hash function returns them. */
export function makeDigest(algorithm: DigestAlgorithm, hex: string): Digest {
  return parseDigest(`${algorithm}:${hex}`);
}

export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.slice(0, digest.indexOf(":")) as DigestAlgorithm;
}

export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(":") + 1);
}

/** The digest of bytes that are already in memory. */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = "sha256"): Digest {
  return makeDigest(algorithm, hash(algorithm, bytes, "hex"));
}
