import { createHash } from "node:crypto";
import { constants } from "node:fs";
import test from "ava";
import { TransferMemory } from "../../src/blobs/buffers.ts";
import { open } from "../../src/blobs/disk.ts";
import { FileBlob } from "../../src/blobs/file-blob.ts";
import { bytesOf, connection, KiB, MiB, openStore, pathOf, store } from "./samples.ts";

/** A generator of numbers below 1 that are the same in every run. */
function randomNumbers(seed: number): () => number {
  let count = 0;
  return () => {
    count += 1;
    return createHash("sha256").update(`${seed} ${count}`).digest().readUInt32LE(0) / 2 ** 32;
  };
}

test("readers that go away at any moment never make another one get a foreign byte", async (t) => {
  const { blobs, directory } = await openStore(t);
  // Each blob is made of one byte value: a foreign byte is seen wherever it is.
  const size = 6 * MiB + 1000;
  const contents = Array.from({ length: 4 }, (_, i) => Buffer.alloc(size, i + 1));
  const stats = await Promise.all(contents.map((bytes) => store(blobs, bytes)));
  await blobs.close();
  // Little memory, so that buffers change hands all the time.
  const memory = new TransferMemory(MiB);
  const random = randomNumbers(1);
  let complete = 0;
  const reader = async () => {
    const blob = Math.floor(random() * stats.length);
    const stat = stats[blob] ?? t.fail();
    const handle = new FileBlob(stat, await open(pathOf(directory, stat.digest), constants.O_RDONLY), memory);
    const { near, far } = await connection(t);
    const leavesAfter = random() < 0.5 ? Math.floor(random() * size) : Number.POSITIVE_INFINITY;
    const nearLeaves = random() < 0.5;
    let received = 0;
    let foreign = 0;
    far.on("data", (chunk) => {
      received += chunk.length;
      if (!chunk.equals(Buffer.alloc(chunk.length, blob + 1))) foreign += 1;
      if (received > leavesAfter) (nearLeaves ? near : far).destroy();
      // Some are slow, so that much is on its way when they leave.
      if (random() < 0.1) {
        far.pause();
        setTimeout(() => far.resume(), random() * 5);
      }
    });
    const sent = await handle.send(near).then(
      () => true,
      () => false,
    );
    near.end();
    await new Promise((resolve) => (far.closed ? resolve(undefined) : far.once("close", resolve)));
    await handle.close();
    t.is(foreign, 0);
    if (leavesAfter === Number.POSITIVE_INFINITY) t.deepEqual([sent, received], [true, size]);
    if (sent) complete += 1;
  };
  for (let round = 0; round < 6; round += 1) await Promise.all(Array.from({ length: 10 }, reader));
  t.true(complete > 10);
  t.true(memory.allocated <= 10 * 128 * KiB + MiB, `${memory.allocated} bytes`);
});

test("a file that ends too early costs no memory", async (t) => {
  const { blobs, directory } = await openStore(t);
  const stat = await store(blobs, bytesOf(1, 200 * KiB));
  const memory = new TransferMemory(4 * MiB);
  const fd = await open(pathOf(directory, stat.digest), constants.O_RDONLY);
  const handle = new FileBlob({ digest: stat.digest, size: 100 * MiB }, fd, memory);
  for (let i = 0; i < 20; i += 1) {
    const { near, far } = await connection(t);
    far.resume();
    await t.throwsAsync(handle.send(near), { message: /ends at byte 204800/ });
  }
  t.true(memory.allocated <= 2 * MiB, `${memory.allocated} bytes`);
  await handle.close();
});

test("uploads and downloads at the same time do not mix", async (t) => {
  const { blobs } = await openStore(t);
  const bytes = Array.from({ length: 6 }, (_, i) => bytesOf(i, 3 * MiB + i));
  const stats = await Promise.all(bytes.map((one) => store(blobs, one)));
  const work = stats.flatMap(({ digest }, i) => [
    async () => t.is((await store(blobs, bytes[i] ?? t.fail())).digest, digest),
    async () => {
      const handle = (await blobs.open(digest)) ?? t.fail();
      const { near, far } = await connection(t);
      const hash = createHash("sha256");
      far.on("data", (chunk) => hash.update(chunk));
      const ended = new Promise((resolve) => far.once("end", resolve));
      await handle.send(near);
      near.end();
      await ended;
      await handle.close();
      t.is(`sha256:${hash.digest("hex")}`, handle.digest);
    },
  ]);
  await Promise.all(work.map((one) => one()));
});
