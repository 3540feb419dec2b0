import { zstdDecompressSync } from "node:zlib";
import test from "ava";
import fc from "fast-check";
import { FrameSplitter } from "../../../src/registry/unpack/zstd-frames.ts";
import { cut, skippableFrame, zstd } from "./streams.ts";

function split(...chunks: readonly Buffer[]): Buffer[] {
  const frames = new FrameSplitter(2 ** 27);
  const parts = chunks.flatMap((chunk) => [...frames.split(chunk)]);
  frames.end();
  return parts;
}

// The reason for all this: when it fails, Node has learned to read the frames by itself.
test("Node's decompressor stops silently after the first frame", (t) => {
  const both = Buffer.concat([zstd(Buffer.from("one")), zstd(Buffer.from("two"))]);
  t.is(zstdDecompressSync(both).toString(), "one");
});

test("frames that come together are cut apart", (t) => {
  const frames = [zstd(Buffer.from("a")), skippableFrame(Buffer.alloc(9)), zstd(Buffer.alloc(500_000, "b"))];
  t.deepEqual(split(Buffer.concat(frames)), frames);
});

test("the content size of a single segment is its window, in every length it is written", (t) => {
  const sizes: readonly (readonly [descriptor: number, size: string, window: number])[] = [
    [0x20, "ff", 255],
    [0x60, "0200", 258],
    [0xa0, "03000100", 65_539],
    [0xe0, "0400000001000000", 2 ** 32 + 4],
  ];
  for (const [descriptor, size, window] of sizes) {
    const frame = Buffer.from(`28b52ffd${descriptor.toString(16)}${size}010000`, "hex");
    t.deepEqual([...new FrameSplitter(window).split(frame)], [frame]);
    t.throws(() => [...new FrameSplitter(window - 1).split(frame)], {
      message: new RegExp(`of ${window} bytes`),
    });
  }
});

test("however the bytes come, parts add up to them and none crosses a boundary", (t) => {
  const contents = fc.array(fc.uint8Array({ maxLength: 2000 }), { minLength: 1, maxLength: 6 });
  const places = fc.array(fc.nat(4000), { maxLength: 12 });
  fc.assert(
    fc.property(contents, places, (pieces, cuts) => {
      const frames = pieces.flatMap((piece) => [
        zstd(Buffer.from(piece)),
        skippableFrame(Buffer.from(piece)),
      ]);
      const bytes = Buffer.concat(frames);
      const parts = split(
        ...cut(
          bytes,
          cuts.filter((place) => place < bytes.length),
        ),
      );
      t.deepEqual(Buffer.concat(parts), bytes);
      const ends = new Set(parts.map((_, index) => Buffer.concat(parts.slice(0, index + 1)).length));
      let end = 0;
      for (const frame of frames) {
        end += frame.length;
        t.true(ends.has(end));
      }
    }),
    { numRuns: 200 },
  );
});
