import { buffer } from "node:stream/consumers";
import type { BlobReader } from "../blobs/port.ts";
import { isLayerdError, LayerdError } from "../core/errors.ts";
import { parseImageConfig } from "../core/image-config.ts";
import type { ParsedManifest } from "../core/manifest.ts";
import type { RepositoryRules } from "../core/rules.ts";
import { faultsError } from "../core/validate.ts";

/**
 * Refuses an image that no container engine could run, because its config is not one. It came as a blob like any
 * other; only the manifest says what it is. One that is not here, of a sparse manifest, is not looked at.
 * @throws MANIFEST_INVALID, `detail: [{path, message}]` with paths in the config.
 */
export async function checkImageConfig(
  blobs: BlobReader,
  { imageConfig }: ParsedManifest,
  { maxManifestSize }: RepositoryRules,
): Promise<void> {
  if (imageConfig === undefined) return;
  if (imageConfig.size > maxManifestSize) {
    const message = `an image config, like a manifest, may have up to ${maxManifestSize} bytes`;
    throw faultsError("MANIFEST_INVALID", [{ path: "$.config.size", message }]);
  }
  const handle = await blobs.open(imageConfig.digest);
  if (handle === undefined) return;
  try {
    parseImageConfig(handle.bytes ?? (await buffer(handle.stream())));
  } catch (error) {
    if (!isLayerdError(error, "MANIFEST_INVALID")) throw error;
    throw new LayerdError("MANIFEST_INVALID", `the image config ${imageConfig.digest}: ${error.message}`, {
      detail: error.detail,
    });
  } finally {
    await handle.close();
  }
}
