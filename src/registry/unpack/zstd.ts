import { constants, createZstdDecompress } from "node:zlib";
import { DECOMPRESSOR_OPTIONS, decompress } from "./decompress.ts";
import { invalidLayer } from "./invalid.ts";
import { FrameSplitter } from "./zstd-frames.ts";

/**
 * The bytes of all frames of a zstd file, one after the other (RFC 8878 §3). Node's decompressor stops
 * silently at the end of a frame when more follows in the same write, and goes on with the next frame when it
 * comes in a write of its own: so one decompressor serves them all, given parts that never cross a boundary.
 * @throws LAYER_INVALID
 */
export async function* unzstd(
  chunks: AsyncIterable<Buffer>,
  maxWindow: number,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  const frames = new FrameSplitter(maxWindow);
  const decompressor = createZstdDecompress({
    ...DECOMPRESSOR_OPTIONS,
    params: { [constants.ZSTD_d_windowLogMax]: windowLog(maxWindow) },
  });
  let size = 0;
  for await (const chunk of decompress("zstd", split(chunks, frames), decompressor, signal)) {
    size += chunk.length;
    yield chunk;
  }
  // zstd itself may not compare them when the last block of a frame is empty.
  if (frames.contentSize === undefined || frames.contentSize === size) return;
  const problem = `its frames unpack to ${size} bytes and say ${frames.contentSize}`;
  throw invalidLayer("zstd", decompressor.bytesWritten, problem);
}

async function* split(chunks: AsyncIterable<Buffer>, frames: FrameSplitter): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) yield* frames.split(chunk);
  frames.end();
}

/** The least power of two that covers `bytes`, in the range that zstd knows. */
function windowLog(bytes: number): number {
  return Math.min(Math.max(Math.ceil(Math.log2(bytes)), 10), 31);
}
