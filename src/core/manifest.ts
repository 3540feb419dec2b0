import type { z } from "zod";
import { isDigest } from "./digest.ts";
import type { Descriptor } from "./image.ts";
import { imageSchema, indexSchema } from "./manifest-schemas.ts";
import { declaredByHeader, type ManifestKind, manifestKind, resolveMediaType } from "./manifest-type.ts";
import { isForeignLayer, isImageConfig } from "./media-type.ts";
import { parseStrictJson } from "./strict-json.ts";
import { conform, faultsError } from "./validate.ts";

/** What a registry needs to know of a manifest that a client pushed. */
export interface ParsedManifest {
  readonly kind: ManifestKind;
  /** As it is to be served: the Content-Type pushed, without parameters; else the document's own mediaType, else told by shape. */
  readonly mediaType: string;
  /**
   * Blobs that must be in the repository, each once: config and layers; of an index, what cannot be pushed as a
   * manifest, because BuildKit keeps its cache in an index of layers.
   */
  readonly blobs: readonly Descriptor[];
  /**
   * Blobs that need not be here, each once: layers that are not meant to be distributed. One whose digest this
   * registry cannot check cannot be here, and is left out.
   */
  readonly foreignBlobs: readonly Descriptor[];
  /** All that it consists of, in its order: one digest may be named more than once, with other media types. */
  readonly content: readonly ContentDescriptor[];
  /** The one of the blobs that says how to run the image; `undefined` when it is no image that can be run. */
  readonly imageConfig?: Descriptor;
  /** Manifests that an index points at, each once. */
  readonly manifests: readonly Descriptor[];
  readonly subject?: Descriptor;
  /** As distribution-spec §Listing Referrers wants it: the artifactType; else, of an image manifest, the config's mediaType. */
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * Parses and checks a manifest pushed to `/v2/…/manifests/…` (distribution-spec §Pushing Manifests).
 * @param contentType the request's Content-Type, parameters and all.
 * @throws MANIFEST_INVALID, `detail: [{path, message}]`; REQUEST_TOO_LARGE above 160,000 values.
 */
export function parseManifest(bytes: Uint8Array, contentType: string | undefined): ParsedManifest {
  const header = declaredByHeader(contentType);
  const document = parseStrictJson(bytes, "MANIFEST_INVALID");
  if (!isObject(document)) {
    throw faultsError("MANIFEST_INVALID", [{ path: "$", message: "expected an object" }]);
  }
  const mediaType = resolveMediaType(document, header);
  return manifestKind(mediaType) === "index"
    ? parseIndex(document, mediaType)
    : parseImage(document, mediaType);
}

function parseImage(document: unknown, mediaType: string): ParsedManifest {
  const image = conform(imageSchema, document, "MANIFEST_INVALID");
  const content = [image.config, ...(image.layers ?? [])];
  const held = distinct(content, (at) => (at === 0 ? "$.config" : `$.layers[${at - 1}]`));
  const { blob = [], foreign = [] } = Object.groupBy(held, ({ mediaType }) =>
    isForeignLayer(mediaType) ? "foreign" : "blob",
  );
  const artifactType = image.artifactType || image.config.mediaType;
  return {
    kind: "image",
    mediaType,
    content,
    blobs: blob,
    foreignBlobs: foreign,
    ...(isHeld(image.config) && isImageConfig(image.config.mediaType) ? { imageConfig: image.config } : {}),
    manifests: [],
    ...describe({ ...image, artifactType }),
  };
}

function parseIndex(document: unknown, mediaType: string): ParsedManifest {
  const index = conform(indexSchema, document, "MANIFEST_INVALID");
  const content = index.manifests ?? [];
  const held = distinct(content, (at) => `$.manifests[${at}]`);
  const {
    manifest = [],
    blob = [],
    foreign = [],
  } = Object.groupBy(held, ({ mediaType }) => {
    if (isForeignLayer(mediaType)) return "foreign";
    return manifestKind(mediaType) === undefined ? "blob" : "manifest";
  });
  return {
    kind: "index",
    mediaType,
    content,
    blobs: blob,
    foreignBlobs: foreign,
    manifests: manifest,
    ...describe(index),
  };
}

/** What any manifest may say of itself; what it leaves empty is absent. */
function describe(manifest: z.output<typeof indexSchema> | z.output<typeof imageSchema>) {
  const { subject, artifactType, annotations } = manifest;
  return {
    ...(isHeld(subject) ? { subject } : {}),
    ...(artifactType ? { artifactType } : {}),
    ...(annotations ? { annotations } : {}),
  };
}

/** A descriptor as a client wrote it: what is not meant to be pushed may have a digest that cannot be checked here. */
export type ContentDescriptor = Omit<Descriptor, "digest"> & { readonly digest: string };

/**
 * Each digest once, as it is named first. @throws MANIFEST_INVALID when one has two sizes: only one of them could
 * be checked against the blob.
 */
function distinct(descriptors: readonly ContentDescriptor[], pathOf: (at: number) => string): Descriptor[] {
  const first = new Map<string, Descriptor>();
  for (const [at, descriptor] of descriptors.entries()) {
    if (!isHeld(descriptor)) continue;
    const known = first.get(descriptor.digest) ?? descriptor;
    if (known.size !== descriptor.size) {
      const message = `${descriptor.size} bytes, and ${known.size} where the same digest is named before`;
      throw faultsError("MANIFEST_INVALID", [{ path: `${pathOf(at)}.size`, message }]);
    }
    first.set(descriptor.digest, known);
  }
  return [...first.values()];
}

function isHeld(
  descriptor: ContentDescriptor | null | undefined,
): descriptor is ContentDescriptor & Descriptor {
  return descriptor !== undefined && descriptor !== null && isDigest(descriptor.digest);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
