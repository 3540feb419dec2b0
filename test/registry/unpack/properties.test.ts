import { Readable } from "node:stream";
import test from "ava";
import fc from "fast-check";
import { isLayerdError } from "../../../src/core/errors.ts";
import type { Unpacked } from "../../../src/index/port.ts";
import { unpackLayer } from "../../../src/registry/unpack/unpack.ts";
import { makeTar } from "../../tools/tar.ts";
import { compressedInPieces, cut, LIMITS, unpack, unpacked } from "./streams.ts";

const entry = fc.record({
  name: fc.string({ minLength: 1, maxLength: 150 }).filter((name) => !name.includes("\0")),
  data: fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
  format: fc.constantFrom("ustar" as const, "gnu" as const, "v7" as const),
});
const archive = fc
  .tuple(fc.array(entry, { maxLength: 6 }), fc.nat(4))
  .map(([entries, trailer]) => makeTar(entries, { trailer }));
const compressed = archive.chain((tar) => compressedInPieces(tar).map((bytes) => ({ tar, bytes })));
const places = fc.array(fc.nat(20_000), { maxLength: 20 });

/** The answer, or `undefined` when the layer is refused; any other error is a bug. */
async function answer(chunks: readonly Buffer[]): Promise<Unpacked | undefined> {
  try {
    return await unpackLayer(Readable.from(chunks), LIMITS);
  } catch (error) {
    if (isLayerdError(error, "LAYER_INVALID")) return undefined;
    throw error;
  }
}

function within(bytes: Buffer, cuts: readonly number[]): number[] {
  return cuts.map((place) => place % (bytes.length + 1));
}

test("members and frames cut anywhere, in chunks cut anywhere, unpack to the archive", async (t) => {
  await fc.assert(
    fc.asyncProperty(compressed, places, async ({ tar, bytes }, cuts) => {
      t.deepEqual(await unpack(...cut(bytes, within(bytes, cuts))), unpacked(tar));
    }),
    { numRuns: 300 },
  );
});

test("a plain archive in chunks cut anywhere unpacks to itself", async (t) => {
  await fc.assert(
    fc.asyncProperty(archive, places, async (tar, cuts) => {
      t.deepEqual(await unpack(...cut(tar, within(tar, cuts))), unpacked(tar));
    }),
    { numRuns: 300 },
  );
});

test("flipped bits are refused, or did not matter: never another diff id", async (t) => {
  const flips = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), {
    minLength: 1,
    maxLength: 4,
  });
  await fc.assert(
    fc.asyncProperty(compressed, flips, places, async ({ tar, bytes }, changes, cuts) => {
      const changed = Buffer.from(bytes);
      for (const [at, mask] of changes) {
        const place = at % changed.length;
        changed.writeUInt8(changed.readUInt8(place) ^ mask, place);
      }
      const found = await answer(cut(changed, within(changed, cuts)));
      if (found !== undefined) t.deepEqual(found, unpacked(tar));
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test("a layer cut short is refused, or is cut where one member or frame ends", async (t) => {
  await fc.assert(
    fc.asyncProperty(compressed, fc.nat(), async ({ tar, bytes }, at) => {
      const found = await answer([bytes.subarray(0, at % bytes.length)]);
      if (found !== undefined) t.deepEqual(found, unpacked(tar.subarray(0, found.size)));
    }),
    { numRuns: 300 },
  );
  t.pass();
});

test("damage is found in whatever chunks it comes", async (t) => {
  const damage = fc.record({ at: fc.nat(), mask: fc.integer({ min: 1, max: 255 }) });
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        archive,
        compressed.map(({ bytes }) => bytes),
      ),
      damage,
      places,
      async (bytes, d, cuts) => {
        fc.pre(bytes.length > 0);
        const changed = Buffer.from(bytes);
        const place = d.at % changed.length;
        changed.writeUInt8(changed.readUInt8(place) ^ d.mask, place);
        t.deepEqual(await answer(cut(changed, within(changed, cuts))), await answer([changed]));
      },
    ),
    { numRuns: 500 },
  );
});

test("random bytes are refused", async (t) => {
  const noise = fc
    .uint8Array({ minLength: 1, maxLength: 3000 })
    .filter((bytes) => bytes.some((byte) => byte !== 0));
  await fc.assert(
    fc.asyncProperty(noise, async (bytes) => t.is(await answer([Buffer.from(bytes)]), undefined)),
    { numRuns: 300 },
  );
});
