import { z } from "zod";
import { annotations, artifactType, contentDescriptor, descriptor, listOf } from "./descriptor-schema.ts";

/*
 * image-spec manifest.md and image-index.md, which Docker's schema 2 and its lists share (media-types.md
 * §Compatibility Matrix). Go clients write `null` for an empty list: `podman manifest create` does.
 */

// Read one way by one client and another way by the next: CVE-2021-41190.
const eitherOr = (what: string) =>
  z.null(`${what}: no document may be both an image manifest and an index (CVE-2021-41190)`).optional();

const head = {
  schemaVersion: z.literal(2, "expected 2"),
  mediaType: z.string().nullish(),
  artifactType: artifactType.nullish(),
  subject: descriptor.nullish(),
  annotations: annotations.nullish(),
};

/** manifest.md §Image Manifest Property Descriptions: `config` is REQUIRED; `layers` SHOULD have an entry, and need not. */
export const imageSchema = z.object({
  ...head,
  config: descriptor,
  layers: listOf(contentDescriptor).nullish(),
  manifests: eitherOr("an image manifest has no manifests"),
});

/** image-index.md §Image Index Property Descriptions: `manifests` MUST be there, and may be empty. */
export const indexSchema = z.object({
  ...head,
  manifests: listOf(contentDescriptor).nullable(),
  config: eitherOr("an index has no config"),
  layers: eitherOr("an index has no layers"),
});
