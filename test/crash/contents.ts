import { type DigestAlgorithm, digestOf } from "../../src/core/digest.ts";
import { MEDIA_TYPE } from "../../src/core/media-type.ts";
import type { Random } from "../tools/random.ts";

/** Bytes and their name. */
export interface Content {
  readonly digest: string;
  readonly bytes: Buffer;
}

/** A manifest: of an image, or an index of some. */
export interface Image extends Content {
  readonly mediaType: string;
  readonly blobs: readonly Content[];
  /** What an index lists. */
  readonly manifests: readonly Image[];
  /** What it refers to, as a signature does. */
  readonly subject: Image | undefined;
}

export function contentOf(bytes: Buffer, algorithm: DigestAlgorithm = "sha256"): Content {
  return { digest: digestOf(bytes, algorithm), bytes };
}

/**
 * A few contents that everybody shares: what one client has deleted, or the server has collected, another one
 * pushes again a moment later.
 * @param sha512 how many of them have such a digest, from 0 to 1
 */
export function makePool(
  random: Random,
  sizes: readonly (readonly [count: number, from: number, to: number])[],
  sha512 = 0,
): Content[] {
  return sizes.flatMap(([count, from, to]) =>
    Array.from({ length: count }, () => {
      const algorithm = random.chance(sha512) ? "sha512" : "sha256";
      return contentOf(random.bytes(random.int(from, to)), algorithm);
    }),
  );
}

/** An image manifest that names these blobs, the first one as its config. */
export function makeImage(
  blobs: readonly Content[],
  name: string,
  about: { readonly algorithm?: DigestAlgorithm; readonly subject?: Image } = {},
): Image {
  const [config, ...layers] = blobs;
  if (config === undefined) throw new RangeError("an image has a config");
  const { algorithm, subject } = about;
  const mediaType = MEDIA_TYPE.manifest;
  const manifest = {
    schemaVersion: 2,
    mediaType,
    config: describe("application/vnd.example.config", config),
    layers: layers.map((layer) => describe("application/octet-stream", layer)),
    ...(subject === undefined ? {} : { subject: describe(subject.mediaType, subject) }),
    annotations: { "org.example.name": name },
  };
  const content = contentOf(Buffer.from(JSON.stringify(manifest)), algorithm);
  return { ...content, mediaType, blobs, manifests: [], subject };
}

/** An image index of these. */
export function makeIndex(manifests: readonly Image[], name: string): Image {
  const mediaType = MEDIA_TYPE.index;
  const index = {
    schemaVersion: 2,
    mediaType,
    manifests: manifests.map((manifest) => describe(manifest.mediaType, manifest)),
    annotations: { "org.example.name": name },
  };
  const content = contentOf(Buffer.from(JSON.stringify(index)));
  return { ...content, mediaType, blobs: [], manifests, subject: undefined };
}

function describe(mediaType: string, { digest, bytes }: Content) {
  return { mediaType, digest, size: bytes.length };
}
