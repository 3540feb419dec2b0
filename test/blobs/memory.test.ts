import test from "ava";
import { createMemoryBlobs } from "../../src/blobs/memory.ts";
import { digestOf } from "../../src/core/digest.ts";
import { testBlobs } from "../suites/blobs.ts";
import { bytesOf, MiB, readBlob, sourceOf, store, throwsCode } from "./samples.ts";

testBlobs("memory", async () => createMemoryBlobs({ limit: 256 * MiB }));

test("beyond the limit uploads get STORE_FULL, and reads go on", async (t) => {
  const blobs = createMemoryBlobs({ limit: 4 * MiB });
  const { digest } = await store(blobs, bytesOf(1, 3 * MiB));
  await throwsCode(t, store(blobs, bytesOf(2, 2 * MiB)), "STORE_FULL");
  t.true((await readBlob(blobs, digest)).equals(bytesOf(1, 3 * MiB)));
  await store(blobs, bytesOf(3, 900_000));
});

test("uploads in progress count, and what had arrived of one that can be resumed is kept", async (t) => {
  const blobs = createMemoryBlobs({ limit: 4 * MiB });
  const hog = await blobs.begin({ resumable: true });
  await hog.append(sourceOf(bytesOf(4, 3 * MiB)), { at: 0 });
  const bytes = bytesOf(5, 2 * MiB);
  const upload = await blobs.begin({ resumable: true });
  await throwsCode(t, upload.append(sourceOf(bytes), { at: 0 }), "STORE_FULL");
  const { offset } = upload;
  t.true(offset > 900_000 && offset <= MiB, String(offset));
  await hog.cancel();
  await upload.append(sourceOf(bytes.subarray(offset)), { at: offset });
  t.is((await upload.commit()).digest, digestOf(bytes));
});

test("a blob that is stored again takes no more room", async (t) => {
  const blobs = createMemoryBlobs({ limit: 4 * MiB });
  for (let i = 0; i < 10; i += 1) await store(blobs, bytesOf(6, 1_900_000));
  await t.notThrowsAsync(store(blobs, bytesOf(7, 1_900_000)));
});

test("a huge upload ends with an error, not with the process", async (t) => {
  const blobs = createMemoryBlobs({ limit: 8 * MiB });
  const upload = await blobs.begin();
  await throwsCode(t, upload.append(sourceOf(bytesOf(8, 64 * MiB)), { at: 0 }), "STORE_FULL");
  await store(blobs, bytesOf(9, 7 * MiB));
});

test("so do very many tiny blobs", async (t) => {
  const blobs = createMemoryBlobs({ limit: 100_000 });
  const all = async () => {
    for (let i = 0; i < 1000; i += 1) await store(blobs, Buffer.from(String(i)));
  };
  await throwsCode(t, all(), "STORE_FULL");
});

test("a small blob is at hand in one piece", async (t) => {
  const blobs = createMemoryBlobs({ limit: 8 * MiB });
  const { digest } = await store(blobs, bytesOf(10, 200_000));
  t.true((await blobs.open(digest))?.bytes?.equals(bytesOf(10, 200_000)));
});
