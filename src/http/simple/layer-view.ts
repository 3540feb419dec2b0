import { create } from "content-disposition";
import { hexOf } from "../../core/digest.ts";
import { MEDIA_TYPE } from "../../core/media-type.ts";
import type { BlobEntry } from "../../index/port.ts";
import type { StoredLayer } from "../../registry/layers.ts";

/** A layer as the API shows it. */
export function layerView(entry: StoredLayer): object {
  const { digest, size, mediaType, name, createdAt, unpacked } = entry;
  return { id: digest, digest, size, mediaType, name, createdAt, unpacked };
}

const EXTENSIONS: Readonly<Record<string, string>> = {
  [MEDIA_TYPE.tar]: ".tar",
  [MEDIA_TYPE.tarGzip]: ".tar.gz",
  [MEDIA_TYPE.tarZstd]: ".tar.zst",
  [MEDIA_TYPE.config]: ".json",
};

/** `Content-Disposition` with the name the file came with, or one that says what it is (RFC 6266). */
export function disposition(entry: BlobEntry): string {
  if (entry.name !== undefined) return create(entry.name);
  return `attachment; filename="${hexOf(entry.digest).slice(0, 12)}${EXTENSIONS[entry.mediaType] ?? ".bin"}"`;
}
