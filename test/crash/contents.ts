import { type DigestAlgorithm, digestOf } from "../../src/core/digest.ts";
import { MEDIA_TYPE } from "../../src/core/media-type.ts";
import type { Random } from "../tools/random.ts";

/** Bytes and their name. */
export interface Content {
  readonly digest: string;
  readonly bytes: Buffer;
}

export interface Image extends Content {
  readonly blobs: readonly Content[];
}

export function contentOf(bytes: Buffer, algorithm: DigestAlgorithm = "sha256"): Content {
  return { digest: digestOf(bytes, algorithm), bytes };
}

/**
 * A few contents that everybody shares: what one client has deleted, or the server has collected, another one
 * pushes again a moment later.
 */
export function makePool(
  random: Random,
  sizes: readonly (readonly [count: number, from: number, to: number])[],
) {
  return sizes.flatMap(([count, from, to]) =>
    Array.from({ length: count }, () => contentOf(random.bytes(random.int(from, to)))),
  );
}

/** An image manifest that names these blobs, the first one as its config. */
export function makeImage(blobs: readonly Content[], name: string): Image {
  const describe = (mediaType: string, { digest, bytes }: Content) => ({
    mediaType,
    digest,
    size: bytes.length,
  });
  const [config, ...layers] = blobs;
  if (config === undefined) throw new RangeError("an image has a config");
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.manifest,
    config: describe("application/vnd.example.config", config),
    layers: layers.map((layer) => describe("application/octet-stream", layer)),
    annotations: { "org.example.name": name },
  };
  return { ...contentOf(Buffer.from(JSON.stringify(manifest))), blobs };
}
