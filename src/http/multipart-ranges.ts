import { randomBytes } from "node:crypto";
import type { ByteRange } from "../core/range.ts";

/** A `multipart/byteranges` body (RFC 9110 §14.6), laid out before the first byte of it is read. */
export interface MultipartRanges {
  /** Of the response as a whole. */
  readonly mediaType: string;
  /** Bytes of the whole body. */
  readonly length: number;
  readonly parts: readonly { readonly head: string; readonly range: ByteRange }[];
  /** What follows the last part. */
  readonly tail: string;
}

/** Lays out ranges of a representation of `size` bytes, in the order given. All text is latin1. */
export function layOutRanges(
  ranges: readonly ByteRange[],
  representation: { readonly mediaType: string; readonly size: number },
): MultipartRanges {
  // Random, so that no stored content can have been made to contain it (RFC 2046 §5.1.1). RFC 9110 §14.6: without
  // quotes, which some clients cannot read.
  const boundary = `layerd-${randomBytes(18).toString("hex")}`;
  const parts = ranges.map((range, place) => ({
    head:
      `${place === 0 ? "" : "\r\n"}--${boundary}\r\n` +
      `Content-Type: ${representation.mediaType}\r\n` +
      `Content-Range: ${contentRange(range, representation.size)}\r\n\r\n`,
    range,
  }));
  const tail = `\r\n--${boundary}--\r\n`;
  const length = parts.reduce(
    (sum, { head, range }) => sum + head.length + range.end - range.start,
    tail.length,
  );
  return { mediaType: `multipart/byteranges; boundary=${boundary}`, length, parts, tail };
}

/** RFC 9110 §14.4: both positions are inclusive. */
export function contentRange(range: ByteRange, size: number): string {
  return `bytes ${range.start}-${range.end - 1}/${size}`;
}
