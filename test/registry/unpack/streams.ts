import { Readable } from "node:stream";
import { gzipSync, constants as zlib, zstdCompressSync } from "node:zlib";
import type { ExecutionContext } from "ava";
import fc from "fast-check";
import { digestOf } from "../../../src/core/digest.ts";
import { isLayerdError, type LayerdError } from "../../../src/core/errors.ts";
import type { Unpacked } from "../../../src/index/port.ts";
import { type UnpackOptions, unpackLayer } from "../../../src/registry/unpack/unpack.ts";
import { makeTar } from "../../tools/tar.ts";

export const LIMITS: UnpackOptions = { maxSize: 1024 ** 3 };

/** A small archive with a directory, a link, an empty file and files around the size of a block. */
export const TAR = makeTar([
  { name: "etc/", type: "5" },
  { name: "etc/hosts", data: "127.0.0.1 localhost\n" },
  { name: "etc/link", type: "2", linkName: "hosts" },
  { name: "empty" },
  { name: "block", data: Buffer.alloc(512, "b") },
  { name: "more", data: Buffer.alloc(1500, "m") },
]);

/** Its first two entries, without an end: for tests that try every place in the bytes. */
export const SMALL_TAR = TAR.subarray(0, 3 * 512);

export async function unpack(...chunks: readonly Buffer[]): Promise<Unpacked> {
  return unpackLayer(Readable.from(chunks), LIMITS);
}

/** What `unpack` must say about an archive, however it was compressed. */
export function unpacked(tar: Buffer): Unpacked {
  return { diffId: digestOf(tar), size: tar.length };
}

/** The LAYER_INVALID that these bytes are refused with. */
export async function refusal(t: ExecutionContext, ...chunks: readonly Buffer[]): Promise<LayerdError> {
  const error: unknown = await t.throwsAsync(unpack(...chunks));
  if (!isLayerdError(error, "LAYER_INVALID")) throw error;
  return error;
}

export async function isRefused(t: ExecutionContext, ...chunks: readonly Buffer[]): Promise<void> {
  t.is((await refusal(t, ...chunks)).code, "LAYER_INVALID");
}

export function zstd(data: Buffer, params: Record<number, number> = {}): Buffer {
  return zstdCompressSync(data, { params: { [zlib.ZSTD_c_checksumFlag]: 1, ...params } });
}

/** RFC 8878 §3.1.2 */
export function skippableFrame(content: Buffer, kind = 0): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(0x184d2a50 + kind, 0);
  header.writeUInt32LE(content.length, 4);
  return Buffer.concat([header, content]);
}

/** `bytes` cut at the given places; places beyond the end cut nothing. */
export function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ordered = [0, ...places.toSorted((a, b) => a - b), bytes.length];
  return ordered.slice(1).map((end, index) => bytes.subarray(ordered[index], end));
}

/** The archive compressed as one to five members or frames, cut anywhere. */
export function compressedInPieces(tar: Buffer): fc.Arbitrary<Buffer> {
  return fc
    .tuple(fc.constantFrom(gzipSync, zstd), fc.array(fc.nat(tar.length), { maxLength: 4 }))
    .map(([compress, places]) => Buffer.concat(cut(tar, places).map((piece) => compress(piece))));
}
