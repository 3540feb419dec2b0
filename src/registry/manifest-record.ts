import type { Descriptor } from "../core/image.ts";
import type { ParsedManifest } from "../core/manifest.ts";
import type { NewManifest } from "../index/port.ts";

// Characters. Annotations stand in memory and in every listing; a manifest may have megabytes of them.
const ANNOTATIONS_KEPT = 64 * 1024;

/** What the index keeps of a manifest. */
export function recordOf(
  { digest, size }: Pick<Descriptor, "digest" | "size">,
  manifest: ParsedManifest,
): NewManifest {
  const { mediaType, artifactType, subject, annotations } = manifest;
  const blobs = [...manifest.blobs, ...manifest.foreignBlobs].map((blob) => blob.digest);
  const manifests = manifest.manifests.map((child) => child.digest);
  return {
    digest,
    size,
    mediaType,
    blobs,
    ...(manifests.length === 0 ? {} : { manifests }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(subject === undefined ? {} : { subject: subject.digest }),
    ...annotationsOf(annotations),
  };
}

function annotationsOf(annotations: ParsedManifest["annotations"]) {
  if (annotations === undefined) return {};
  const length = Object.entries(annotations).reduce(
    (sum, [key, value]) => sum + key.length + value.length,
    0,
  );
  return length > ANNOTATIONS_KEPT ? { annotationsInManifest: true as const } : { annotations };
}
