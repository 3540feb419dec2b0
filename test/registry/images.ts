import { digestOf } from "../../src/core/digest.ts";

/* Manifests to be pushed. */

export const IMAGE = "application/vnd.oci.image.manifest.v1+json";
export const INDEX = "application/vnd.oci.image.index.v1+json";
export const LAYER = "application/vnd.oci.image.layer.v1.tar";
export const FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar";

export const json = (value: object) => Buffer.from(JSON.stringify(value));

export const CONFIG = json({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] } });

export function describe(mediaType: string, bytes: Buffer) {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

export function image(layers: readonly object[]): Buffer {
  const config = describe("application/vnd.oci.image.config.v1+json", CONFIG);
  return json({ schemaVersion: 2, mediaType: IMAGE, config, layers });
}
