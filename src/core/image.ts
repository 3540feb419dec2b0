import { type Digest, digestOf } from "./digest.ts";
import type { ImageConfigRequest } from "./manifest-request.ts";
import { MEDIA_TYPE } from "./media-type.ts";

/** image-spec descriptor.md §Properties. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Where else the content can be had. */
  readonly urls?: readonly string[];
  /** The content itself, in base64. */
  readonly data?: string;
  readonly artifactType?: string;
  readonly platform?: Platform;
}

/** image-spec image-index.md §Image Index Property Descriptions: what an image runs on. */
export interface Platform {
  readonly architecture: string;
  readonly os: string;
  readonly "os.version"?: string;
  readonly "os.features"?: readonly string[];
  readonly variant?: string;
  readonly features?: readonly string[];
}

/** image-spec manifest.md §Image Manifest Property Descriptions. */
export interface ImageManifest {
  readonly schemaVersion: 2;
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A JSON document as it is stored: its exact bytes and their digest. */
export interface Document {
  readonly bytes: Buffer;
  readonly descriptor: Descriptor;
}

export interface ManifestParts {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly artifactType?: string;
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Builds the manifest. The same parts give the same bytes, whatever the order of keys in the input. */
export function makeManifest(parts: ManifestParts): Document & { readonly manifest: ImageManifest } {
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.manifest,
    ...(parts.artifactType === undefined ? {} : { artifactType: parts.artifactType }),
    config: parts.config,
    layers: parts.layers,
    ...(parts.subject === undefined ? {} : { subject: parts.subject }),
    ...(parts.annotations === undefined ? {} : { annotations: sorted(parts.annotations) }),
  };
  return { manifest, ...makeDocument(MEDIA_TYPE.manifest, manifest) };
}

/**
 * Builds an image config (image-spec config.md) that a container engine can run. Nothing in it depends on the
 * time or the machine: architecture and os default to amd64 and linux, `created` is only there when given.
 */
export function makeImageConfig(request: ImageConfigRequest, diffIds: readonly Digest[]): Document {
  const { architecture = "amd64", os = "linux", config, ...rest } = request;
  return makeDocument(MEDIA_TYPE.config, {
    ...sorted(rest),
    architecture,
    os,
    ...(config === undefined ? {} : { config: canonical(config) }),
    rootfs: { type: "layers", diff_ids: diffIds },
  });
}

/** image-spec manifest.md §Guidance for an Empty Descriptor: the two bytes `{}`. */
export function emptyDocument(): Document {
  const bytes = Buffer.from("{}");
  return { bytes, descriptor: { mediaType: MEDIA_TYPE.empty, digest: digestOf(bytes), size: bytes.length } };
}

/** Indented, because people read manifests with curl; the digest covers these very bytes. */
function makeDocument(mediaType: string, value: unknown): Document {
  const bytes = Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
  return { bytes, descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length } };
}

/** Keys in a fixed order, one level deep. */
export function sorted<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) as T;
}

function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (value === null || typeof value !== "object") return value;
  return sorted(Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, canonical(inner)])));
}
