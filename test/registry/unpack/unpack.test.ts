import { createReadStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { createGzip, gzipSync } from "node:zlib";
import test from "ava";
import { isLayerdError } from "../../../src/core/errors.ts";
import { unpackLayer } from "../../../src/registry/unpack/unpack.ts";
import { temporaryDirectory } from "../../tools/server.ts";
import { LIMITS, refusal, skippableFrame, TAR, unpack, unpacked, zstd } from "./streams.ts";

const COMPRESSIONS: readonly (readonly [name: string, compress: (bytes: Buffer) => Buffer])[] = [
  ["plain", (bytes) => bytes],
  ["gzip", (bytes) => gzipSync(bytes)],
  ["zstd", (bytes) => zstd(bytes)],
];

/** Gives these chunks, and then nothing more: neither an end nor an error. */
function stalled(...chunks: readonly Buffer[]): Readable {
  const source = new Readable({ read: () => undefined });
  for (const chunk of chunks) source.push(chunk);
  return source;
}

function zeros(size: number): Readable {
  const chunk = Buffer.alloc(1024 * 1024);
  let left = size;
  return new Readable({
    read() {
      this.push(left > 0 ? chunk.subarray(0, Math.min(left, chunk.length)) : null);
      left -= chunk.length;
    },
  });
}

for (const [name, compress] of COMPRESSIONS) {
  test(`${name}: a file is unpacked and its stream destroyed`, async (t) => {
    const path = join(await temporaryDirectory(t), "layer");
    await writeFile(path, compress(TAR));
    const source = createReadStream(path, { highWaterMark: 100 });
    t.deepEqual(await unpackLayer(source, LIMITS), unpacked(TAR));
    t.true(source.destroyed);
  });

  test(`${name}: what unpacks to exactly the limit passes, one byte more does not`, async (t) => {
    const source = Readable.from([compress(TAR)]);
    t.deepEqual(await unpackLayer(source, { maxSize: TAR.length }), unpacked(TAR));
    const other = Readable.from([compress(TAR)]);
    const error: unknown = await t.throwsAsync(unpackLayer(other, { maxSize: TAR.length - 1 }));
    t.true(isLayerdError(error, "REQUEST_TOO_LARGE"));
    t.true(other.destroyed);
  });

  test(`${name}: what is no tar is refused before it has been read to the end`, async (t) => {
    const source = stalled(compress(Buffer.alloc(300_000, "text")));
    const error: unknown = await t.throwsAsync(unpackLayer(source, LIMITS));
    t.true(isLayerdError(error, "LAYER_INVALID"));
    t.true(source.destroyed);
  });

  test(`${name}: the source's failure is thrown as it is`, async (t) => {
    for (const before of [0, 1, 3, 100]) {
      const failure = Object.assign(new Error("the disk is gone"), { code: "EIO" });
      const source = stalled(compress(TAR).subarray(0, before));
      const running = t.throwsAsync(unpackLayer(source, LIMITS));
      await turn();
      source.destroy(failure);
      t.is(await running, failure);
    }
  });

  test(`${name}: a source that closes without an end is no short layer`, async (t) => {
    const source = stalled(compress(TAR));
    const running = t.throwsAsync(unpackLayer(source, LIMITS), { code: "ERR_STREAM_PREMATURE_CLOSE" });
    await turn();
    source.destroy();
    await running;
  });

  test(`${name}: aborting while the source stalls throws the signal's reason`, async (t) => {
    for (const before of [0, 2, 100]) {
      const reason = new Error("no more");
      const controller = new AbortController();
      const source = stalled(compress(TAR).subarray(0, before));
      const running = t.throwsAsync(unpackLayer(source, { ...LIMITS, signal: controller.signal }));
      await turn();
      controller.abort(reason);
      t.is(await running, reason);
      t.true(source.destroyed);
    }
  });
}

test("a gzip member that goes wrong while the source stalls is refused at once", async (t) => {
  const bytes = gzipSync(TAR);
  bytes.writeUInt32LE(0, bytes.length - 8);
  const source = stalled(bytes);
  await t.throwsAsync(unpackLayer(source, LIMITS), { message: /incorrect data check/ });
  t.true(source.destroyed);
});

test("trailing zeros of gzip are refused while the source stalls", async (t) => {
  const source = stalled(Buffer.concat([gzipSync(TAR), Buffer.alloc(4)]));
  await t.throwsAsync(unpackLayer(source, LIMITS), { message: /do not belong to it/ });
  t.true(source.destroyed);
});

test("a signal that was aborted before throws its reason, and the source is destroyed", async (t) => {
  const source = Readable.from([TAR]);
  const signal = AbortSignal.abort("over");
  t.is(await unpackLayer(source, { ...LIMITS, signal }).catch((reason: unknown) => reason), "over");
  t.true(source.destroyed);
});

test("a time limit ends a layer whose bytes have all been read", async (t) => {
  const frames = Buffer.concat(Array.from({ length: 200_000 }, () => skippableFrame(Buffer.alloc(0))));
  const source = Readable.from([frames]);
  const error = await t.throwsAsync(unpackLayer(source, { ...LIMITS, signal: AbortSignal.timeout(20) }));
  t.is(error?.name, "TimeoutError");
});

test("a signal outlives the layers without keeping hold of them", async (t) => {
  const { signal } = new AbortController();
  const listening = new Set<unknown>();
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listening.add(args[1]);
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listening.delete(args[1]);
    removeEventListener.apply(signal, args);
  };
  for (const [, compress] of COMPRESSIONS)
    await unpackLayer(Readable.from([compress(TAR)]), { ...LIMITS, signal });
  await turn();
  t.is(listening.size, 0);
});

test("a gzip bomb stops at the limit", async (t) => {
  const bomb = zeros(1024 ** 3).pipe(createGzip({ level: 1 }));
  const error: unknown = await t.throwsAsync(unpackLayer(bomb, { maxSize: 1024 ** 2 }));
  t.true(isLayerdError(error, "REQUEST_TOO_LARGE"));
  t.true(bomb.destroyed);
});

test("a zstd bomb of repeated bytes stops at the limit", async (t) => {
  const bomb = Readable.from([zstd(Buffer.alloc(64 * 1024 ** 2))]);
  const error: unknown = await t.throwsAsync(unpackLayer(bomb, { maxSize: 1024 ** 2 }));
  t.like(error, { code: "REQUEST_TOO_LARGE", detail: { maxSize: 1024 ** 2 } });
});

test("what was compressed twice is refused", async (t) => {
  t.regex((await refusal(t, gzipSync(gzipSync(TAR)))).message, /gzip-compressed data/);
  t.regex((await refusal(t, gzipSync(zstd(TAR)))).message, /zstd-compressed data/);
});

test("a late failure of a source that was done with disturbs nobody", async (t) => {
  const source = new Readable({
    read: () => undefined,
    destroy: (_error, callback) => setImmediate(callback, new Error("closing failed")),
  });
  source.push(Buffer.alloc(1000, "text"));
  await t.throwsAsync(unpackLayer(source, LIMITS), { message: /it begins as text/ });
  await new Promise((resolve) => source.once("close", resolve));
});

test("many layers at once each give their own answer", async (t) => {
  const answers = await Promise.all(
    COMPRESSIONS.flatMap(([, compress]) => [1, 2, 3].map(() => unpack(compress(TAR)))),
  );
  for (const answer of answers) t.deepEqual(answer, unpacked(TAR));
});
