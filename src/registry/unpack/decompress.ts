import type { Transform, TransformOptions } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ZlibOptions, ZstdOptions } from "node:zlib";
import { invalidLayer } from "./invalid.ts";

// Large pieces spare round trips to the thread pool.
const PIECE = 128 * 1024;

/** What every decompressor here is made with. */
export const DECOMPRESSOR_OPTIONS: ZlibOptions & ZstdOptions & TransformOptions = {
  chunkSize: PIECE,
  // Room for the pool to decompress the next pieces while this thread hashes the last.
  readableHighWaterMark: 4 * PIECE,
  // No more than a chunk of the source: one of tiny frames would queue thousands of writes at once.
  writableHighWaterMark: PIECE / 2,
};

// zlib's and zstd's words for bytes that are wrong; being out of memory is not among them.
const CORRUPT = /^(?:Z_(?:DATA_ERROR|BUF_ERROR|NEED_DICT)|ZSTD_error_(?!memory_allocation|GENERIC).+)$/;

/**
 * What comes out of `decompressor` when `input` goes in. A failure of the input is thrown as it is, bytes that
 * cannot be decompressed as LAYER_INVALID. Leaving the iteration, or aborting the signal, destroys the
 * decompressor; whoever owns the source destroys that.
 */
export async function* decompress(
  format: "gzip" | "zstd",
  input: AsyncIterable<Buffer>,
  decompressor: Transform & { readonly bytesWritten: number },
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  let given = 0;
  async function* counted(): AsyncGenerator<Buffer> {
    for await (const chunk of input) {
      given += chunk.length;
      yield chunk;
    }
  }
  // Every failure, the signal's too, destroys the decompressor with its error, which the iteration throws.
  pipeline(counted(), decompressor, signal === undefined ? {} : { signal }).catch(() => undefined);
  try {
    yield* decompressor;
  } catch (error) {
    if (!isCorruption(error)) throw error;
    throw invalidLayer(format, decompressor.bytesWritten, problemOf(error), error);
  }
  // Node's decompressors end quietly at bytes they do not know after a member or frame, and leave the rest unread.
  const taken = decompressor.bytesWritten;
  if (taken < given) throw invalidLayer(format, taken, "bytes follow that do not belong to it");
}

function isCorruption(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "code" in error && CORRUPT.test(String(error.code));
}

function problemOf(error: NodeJS.ErrnoException): string {
  return error.code === "Z_BUF_ERROR" ? "it ends in the middle" : error.message.toLowerCase();
}
