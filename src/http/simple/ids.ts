import { type Digest, digestOfId } from "../../core/digest.ts";
import { LayerdError } from "../../core/errors.ts";

/**
 * Reads the `{id}` of a layer's path. The router has decoded it, so anything may be in it; only the grammar of
 * digests gets through.
 * @throws DIGEST_INVALID
 */
export function layerId(text: string): Digest {
  const digest = digestOfId(text);
  if (digest !== undefined) return digest;
  throw new LayerdError("DIGEST_INVALID", `not a layer id: ${JSON.stringify(text.slice(0, 150))}`, {
    detail: { expected: "sha256:<64 lower-case hex digits>, or the hex alone" },
  });
}
