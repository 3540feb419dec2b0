import { createGunzip } from "node:zlib";
import { DECOMPRESSOR_OPTIONS, decompress } from "./decompress.ts";

/**
 * The bytes of a gzip file: one member after the other to the end (RFC 1952 §2.2), each with its checksum and
 * length compared. As strict as Go's compress/gzip, by which container engines unpack: nothing may follow the
 * last member, not even the padding with zeros that gzip(1) lets pass.
 * @throws LAYER_INVALID
 */
export function gunzip(chunks: AsyncIterable<Buffer>, signal?: AbortSignal): AsyncIterable<Buffer> {
  return decompress("gzip", chunks, createGunzip(DECOMPRESSOR_OPTIONS), signal);
}
