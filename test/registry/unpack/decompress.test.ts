import { createGunzip, gzipSync } from "node:zlib";
import test from "ava";
import { decompress } from "../../../src/registry/unpack/decompress.ts";
import { TAR } from "./streams.ts";

async function* given(...chunks: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* chunks;
}

async function drain(chunks: AsyncIterable<Buffer>): Promise<void> {
  for await (const chunk of chunks) void chunk;
}

test("the decompressor is destroyed when all has been read", async (t) => {
  const decompressor = createGunzip();
  await drain(decompress("gzip", given(gzipSync(TAR)), decompressor, undefined));
  t.true(decompressor.destroyed);
});

test("the decompressor is destroyed when the reader leaves", async (t) => {
  const decompressor = createGunzip({ chunkSize: 64 });
  for await (const chunk of decompress("gzip", given(gzipSync(TAR)), decompressor, undefined)) {
    t.true(chunk.length > 0);
    break;
  }
  t.true(decompressor.destroyed);
});

test("the decompressor is destroyed when the bytes are wrong", async (t) => {
  const decompressor = createGunzip();
  await t.throwsAsync(drain(decompress("gzip", given(TAR), decompressor, undefined)));
  t.true(decompressor.destroyed);
});

test("the decompressor is destroyed when the signal aborts", async (t) => {
  const decompressor = createGunzip();
  const controller = new AbortController();
  const reading = drain(decompress("gzip", given(gzipSync(TAR)), decompressor, controller.signal));
  controller.abort();
  await t.throwsAsync(reading, { name: "AbortError" });
  t.true(decompressor.destroyed);
});
