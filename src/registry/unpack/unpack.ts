import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { makeDigest } from "../../core/digest.ts";
import { LayerdError } from "../../core/errors.ts";
import { MEDIA_TYPE, sniffLayer } from "../../core/media-type.ts";
import type { Unpacked } from "../../index/port.ts";
import { gunzip } from "./gzip.ts";
import { TarCheck } from "./tar-check.ts";
import { unzstd } from "./zstd.ts";

export interface UnpackOptions {
  /** Bytes the layer may unpack to. */
  readonly maxSize: number;
  /** Bytes of window, and so about the memory, that a zstd frame may ask for. Default: 128 MiB. */
  readonly maxWindow?: number;
  /** Ends it with the signal's reason. */
  readonly signal?: AbortSignal;
}

// What the zstd tool and library themselves accept unless told otherwise.
const MAX_WINDOW = 128 * 1024 * 1024;
const MAGIC_LENGTH = 4;

/**
 * Computes what the layer in `source` unpacks to (image-spec config.md §Layer DiffID): its bytes say whether it
 * is compressed by gzip, zstd or not at all. Memory does not grow with the layer. The source is destroyed in
 * every outcome, and its failures are thrown as they are.
 * A layer of no bytes is an empty archive, as it is for container engines.
 * @throws LAYER_INVALID `detail: {format, offset, problem}` when it is damaged or no tar archive,
 * REQUEST_TOO_LARGE when it unpacks to more than `maxSize`, the signal's reason.
 */
export async function unpackLayer(source: Readable, options: UnpackOptions): Promise<Unpacked> {
  const { signal } = options;
  const stop = (): unknown => source.destroy();
  // Failures reach the reader of the source; one that comes when nobody reads any more concerns nobody.
  source.on("error", () => undefined);
  signal?.addEventListener("abort", stop, { once: true });
  try {
    signal?.throwIfAborted();
    return await examine(decode(source, options), options.maxSize);
  } catch (error) {
    throw signal?.aborted ? signal.reason : error;
  } finally {
    signal?.removeEventListener("abort", stop);
    source.destroy();
  }
}

async function examine(chunks: AsyncIterable<Buffer>, maxSize: number): Promise<Unpacked> {
  const hash = createHash("sha256");
  const tar = new TarCheck();
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > maxSize) throw tooLarge(maxSize);
    tar.write(chunk);
    hash.update(chunk);
  }
  tar.end();
  return { diffId: makeDigest("sha256", hash.digest("hex")), size };
}

function tooLarge(maxSize: number): LayerdError {
  return new LayerdError("REQUEST_TOO_LARGE", `the layer unpacks to more than ${maxSize} bytes`, {
    detail: { maxSize },
  });
}

async function* decode(source: Readable, options: UnpackOptions): AsyncGenerator<Buffer> {
  const { maxWindow = MAX_WINDOW, signal } = options;
  const chunks: AsyncIterableIterator<Buffer> = source[Symbol.asyncIterator]();
  const head = await readHead(chunks);
  const whole = chain(head, chunks);
  const format = sniffLayer(head);
  if (format === MEDIA_TYPE.tarGzip) yield* gunzip(whole, signal);
  else if (format === MEDIA_TYPE.tarZstd) yield* unzstd(whole, maxWindow, signal);
  else yield* whole;
}

async function readHead(chunks: AsyncIterator<Buffer>): Promise<Buffer> {
  let head: Buffer = Buffer.alloc(0);
  while (head.length < MAGIC_LENGTH) {
    const { value, done } = await chunks.next();
    if (done) break;
    head = head.length === 0 ? value : Buffer.concat([head, value]);
  }
  return head;
}

async function* chain(head: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield head;
  yield* rest;
}
