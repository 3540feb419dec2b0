import { buffer } from "node:stream/consumers";
import type { BlobHandle } from "../blobs/port.ts";
import { isLayerdError } from "../core/errors.ts";
import { type ParsedManifest, parseManifest } from "../core/manifest.ts";

// Bytes. No manifest is larger, so that what is may be taken for a blob without reading it.
const MANIFEST_MAX = 4 * 1024 * 1024;

/** A blob as the manifest that it is; `undefined` when the bytes are no manifest. */
export async function readManifest(
  handle: BlobHandle,
): Promise<{ readonly parsed: ParsedManifest; readonly bytes: Buffer } | undefined> {
  if (handle.size > MANIFEST_MAX) return undefined;
  const bytes = handle.bytes ?? (await buffer(handle.stream()));
  const parsed = manifestOf(bytes);
  return parsed && { parsed, bytes };
}

/** `undefined` for other bytes. */
export function manifestOf(bytes: Buffer): ParsedManifest | undefined {
  try {
    return parseManifest(bytes, undefined);
  } catch (error) {
    if (isLayerdError(error)) return undefined;
    throw error;
  }
}
