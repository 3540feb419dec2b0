import { Readable } from "node:stream";
import { constants as zlib, zstdCompressSync } from "node:zlib";
import test from "ava";
import { isLayerdError } from "../../../src/core/errors.ts";
import { unpackLayer } from "../../../src/registry/unpack/unpack.ts";
import {
  cut,
  isRefused,
  LIMITS,
  refusal,
  SMALL_TAR,
  skippableFrame,
  TAR,
  unpack,
  unpacked,
  zstd,
} from "./streams.ts";

const MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
const SINGLE_SEGMENT = 0x20;
const LAST_RAW_EMPTY_BLOCK = Buffer.from([1, 0, 0]);

test("a zstd frame unpacks to its content", async (t) => {
  t.deepEqual(await unpack(zstd(TAR)), unpacked(TAR));
});

test("frames follow one another, in the same chunk and at the boundary of one", async (t) => {
  const frames = cut(TAR, [700, 2000]).map((piece) => zstd(piece));
  t.deepEqual(await unpack(Buffer.concat(frames)), unpacked(TAR));
  t.deepEqual(await unpack(...frames), unpacked(TAR));
});

test("frames give the same at every split of the bytes", async (t) => {
  const tar = SMALL_TAR;
  const frames = [zstd(tar.subarray(0, 100)), skippableFrame(Buffer.from("index")), zstd(tar.subarray(100))];
  const bytes = Buffer.concat(frames);
  for (let at = 0; at <= bytes.length; at += 1) {
    t.deepEqual(await unpack(bytes.subarray(0, at), bytes.subarray(at)), unpacked(tar), `split at ${at}`);
  }
});

test("a frame may come byte by byte", async (t) => {
  t.deepEqual(await unpack(...Array.from(zstd(TAR), (byte) => Buffer.from([byte]))), unpacked(TAR));
});

test("frames may do without checksum and without content size", async (t) => {
  const plain = { [zlib.ZSTD_c_checksumFlag]: 0, [zlib.ZSTD_c_contentSizeFlag]: 0 };
  const frames = cut(TAR, [100]).map((piece) => zstd(piece, plain));
  t.deepEqual(await unpack(Buffer.concat(frames)), unpacked(TAR));
});

test("empty frames are nothing", async (t) => {
  const nothing = zstd(Buffer.alloc(0));
  const bytes = Buffer.concat([nothing, nothing, zstd(TAR), nothing]);
  t.deepEqual(await unpack(bytes), unpacked(TAR));
});

test("empty chunks of the source are nothing", async (t) => {
  const nothing = Array.from({ length: 50 }, () => Buffer.alloc(0));
  t.deepEqual(await unpack(...nothing, ...cut(zstd(TAR), [20]), ...nothing), unpacked(TAR));
});

test("skippable frames are passed over: first, between, and last as in zstd:chunked", async (t) => {
  const [one, other] = cut(TAR, [1000]).map((piece) => zstd(piece));
  t.truthy(one && other);
  const big = skippableFrame(Buffer.alloc(300_000, 0xfd), 15);
  const frames = [skippableFrame(Buffer.alloc(0), 3), one, big, other, skippableFrame(MAGIC)];
  t.deepEqual(await unpack(Buffer.concat(frames.flatMap((frame) => frame ?? []))), unpacked(TAR));
});

test("nothing but skippable frames is an empty archive", async (t) => {
  t.deepEqual(await unpack(skippableFrame(Buffer.from("nothing"))), unpacked(Buffer.alloc(0)));
});

test("blocks of every type are understood: raw, repeated, compressed, several a frame", async (t) => {
  const noise = Buffer.from(
    Array.from({ length: 300_000 }, (_, index) => (index * index * 2654435761) >>> 13),
  );
  const tar = Buffer.concat([TAR, noise, Buffer.alloc(300_000), Buffer.from("text ".repeat(60_000))]);
  t.deepEqual(await unpack(zstd(tar)), unpacked(tar));
});

test("content that exactly fills what the decompressor hands out is whole", async (t) => {
  for (const size of [128 * 1024 - 1, 128 * 1024, 128 * 1024 + 1, 256 * 1024]) {
    const tar = Buffer.concat([TAR, Buffer.alloc(size - TAR.length)]);
    t.deepEqual(await unpack(zstd(tar), zstd(Buffer.alloc(0))), unpacked(tar));
  }
});

test("ten thousand frames are one archive", async (t) => {
  const tail = Buffer.concat(Array.from({ length: 10_000 }, () => zstd(Buffer.alloc(64))));
  t.deepEqual(await unpack(zstd(TAR), tail), unpacked(Buffer.concat([TAR, Buffer.alloc(640_000)])));
});

test("a file cut short anywhere is refused, and the error says where", async (t) => {
  const bytes = Buffer.concat([zstd(TAR), skippableFrame(Buffer.from("index"))]);
  const boundary = zstd(TAR).length;
  for (let length = 4; length < bytes.length; length += 1) {
    if (length === boundary) continue;
    const error = await refusal(t, bytes.subarray(0, length));
    t.like(error.detail, { format: "zstd", offset: length });
  }
});

test("bytes after the last frame that begin no other are refused where they are", async (t) => {
  const bytes = zstd(TAR);
  for (const rest of [
    Buffer.alloc(20),
    Buffer.from("PK\x03\x04"),
    Buffer.from("\x1f\x8b\x08\x00", "latin1"),
  ]) {
    t.like((await refusal(t, bytes, rest)).detail, { format: "zstd", offset: bytes.length });
    t.like((await refusal(t, Buffer.concat([bytes, rest]))).detail, { format: "zstd", offset: bytes.length });
  }
  await isRefused(t, bytes, Buffer.alloc(1));
});

test("a wrong checksum is refused", async (t) => {
  const bytes = zstd(TAR);
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
  t.like((await refusal(t, bytes)).detail, {
    format: "zstd",
    problem: "restored data doesn't match checksum",
  });
});

test("a content size that is not that of the content is refused", async (t) => {
  const header = Buffer.from([SINGLE_SEGMENT | 0x40, 0, 1]);
  const block = Buffer.from([(100 << 3) | 1, 100 >> 5, 0]);
  await isRefused(t, Buffer.concat([MAGIC, header, block, Buffer.alloc(100)]));
});

test("a content size is compared when the frame's last block is empty, too, in one write or several", async (t) => {
  const frame = Buffer.concat([MAGIC, Buffer.from([SINGLE_SEGMENT, 9]), LAST_RAW_EMPTY_BLOCK]);
  await isRefused(t, frame);
  await isRefused(t, ...cut(frame, [1]));
  await isRefused(t, ...cut(frame, [6]));
});

test("a block larger than the window and an empty compressed block are refused", async (t) => {
  const window = Buffer.from([0x40, 0, 1000 & 0xff, (1000 >> 8) - 1]);
  const block = Buffer.from([((1025 << 3) | 1) & 0xff, (1025 << 3) >> 8, 0]);
  const large = Buffer.concat([MAGIC, window, block, Buffer.alloc(1025)]);
  t.like((await refusal(t, large)).detail, { problem: "a block is larger than its frame allows" });
  const empty = Buffer.concat([MAGIC, Buffer.from([SINGLE_SEGMENT, 9]), Buffer.from([5, 0, 0])]);
  t.like((await refusal(t, empty)).detail, { problem: "a compressed block is empty" });
});

test("a reserved bit and a reserved block type are refused", async (t) => {
  const bit = Buffer.concat([MAGIC, Buffer.from([SINGLE_SEGMENT | 8, 0]), LAST_RAW_EMPTY_BLOCK]);
  t.like((await refusal(t, bit)).detail, { offset: 4, problem: "a reserved bit of a frame header is set" });
  const block = Buffer.concat([MAGIC, Buffer.from([SINGLE_SEGMENT, 0, 7, 0, 0])]);
  t.like((await refusal(t, block)).detail, { offset: 6, problem: "a block has the reserved type" });
});

test("a frame that needs a dictionary is refused with its id", async (t) => {
  const frame = Buffer.concat([
    MAGIC,
    Buffer.from([SINGLE_SEGMENT | 2, 0x34, 0x12, 0]),
    LAST_RAW_EMPTY_BLOCK,
  ]);
  t.like((await refusal(t, frame)).detail, { problem: `a frame needs dictionary ${0x1234}` });
});

test("a dictionary id of zero means none", async (t) => {
  const frame = Buffer.concat([MAGIC, Buffer.from([SINGLE_SEGMENT | 1, 0, 0]), LAST_RAW_EMPTY_BLOCK]);
  t.deepEqual(await unpack(frame, zstd(TAR)), unpacked(TAR));
});

/** A frame with a window of 2^log bytes, or of an eighth or more of that above it. */
function frameWithWindow(log: number, eighths = 0): Buffer {
  return Buffer.concat([MAGIC, Buffer.from([0, ((log - 10) << 3) | eighths]), LAST_RAW_EMPTY_BLOCK]);
}

test("a window of 128 MiB is allowed, a larger one is refused", async (t) => {
  t.deepEqual(await unpack(frameWithWindow(27)), unpacked(Buffer.alloc(0)));
  const error = await refusal(t, frameWithWindow(27, 1));
  t.regex(error.message, /window of 150994944 bytes, above the limit of 134217728/);
  await isRefused(t, frameWithWindow(41, 7));
});

test("a single segment of unknown bounds is a window, too", async (t) => {
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(2n ** 40n);
  const frame = Buffer.concat([MAGIC, Buffer.from([SINGLE_SEGMENT | 0xc0]), size, LAST_RAW_EMPTY_BLOCK]);
  t.regex((await refusal(t, frame)).message, /window of 1099511627776 bytes/);
});

test("the limit of the window can be set", async (t) => {
  const tar = Buffer.concat([TAR, Buffer.alloc(4 * 1024 * 1024, "x")]);
  const frame = zstdCompressSync(tar, {
    params: { [zlib.ZSTD_c_windowLog]: 21, [zlib.ZSTD_c_contentSizeFlag]: 0 },
  });
  const within = await unpackLayer(Readable.from([frame]), { ...LIMITS, maxWindow: 2 ** 21 });
  t.deepEqual(within, unpacked(tar));
  const error: unknown = await t.throwsAsync(
    unpackLayer(Readable.from([frame]), { ...LIMITS, maxWindow: 2 ** 21 - 1 }),
  );
  t.true(isLayerdError(error, "LAYER_INVALID"));
});
