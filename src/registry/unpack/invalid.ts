import { LayerdError } from "../../core/errors.ts";

type LayerFormat = "gzip" | "zstd" | "tar";

/**
 * LAYER_INVALID with `detail: {format, offset, problem}`. `offset` counts bytes of that format: of the layer
 * as stored for gzip and zstd, of what it unpacks to for tar. All before it was sound.
 */
export function invalidLayer(
  format: LayerFormat,
  offset: number,
  problem: string,
  cause?: unknown,
): LayerdError {
  const what = format === "tar" ? "tar archive" : `${format} stream`;
  return new LayerdError("LAYER_INVALID", `the layer is not a sound ${what}: ${problem} (byte ${offset})`, {
    detail: { format, offset, problem },
    cause,
  });
}
