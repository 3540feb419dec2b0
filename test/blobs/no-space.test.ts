import test from "ava";
import { digestOf } from "../../src/core/digest.ts";
import { smallDisk } from "../tools/small-disk.ts";
import { bytesOf, MiB, openStore, readBlob, sourceOf, store, throwsCode, uploadFiles } from "./samples.ts";

test("a full disk is STORE_FULL; what had arrived goes on when there is room again", async (t) => {
  const directory = await smallDisk(t, 10 * MiB);
  if (directory === undefined) return;
  const { blobs } = await openStore(t, { directory });
  const { digest } = await store(blobs, bytesOf(1, 3 * MiB));
  const plain = await blobs.begin();
  await throwsCode(t, plain.append(sourceOf(bytesOf(2, 12 * MiB)), { at: 0 }), "STORE_FULL");
  t.deepEqual(await uploadFiles(directory), []);

  const hog = await blobs.begin({ resumable: true });
  await hog.append(sourceOf(bytesOf(3, 4 * MiB)), { at: 0 });
  const bytes = bytesOf(4, 4 * MiB);
  const upload = await blobs.begin({ resumable: true });
  await throwsCode(t, upload.append(sourceOf(bytes), { at: 0 }), "STORE_FULL");
  const { offset } = upload;
  t.true(offset > MiB && offset < 4 * MiB, String(offset));
  t.true((await readBlob(blobs, digest)).equals(bytesOf(1, 3 * MiB)));

  await hog.cancel();
  await upload.append(sourceOf(bytes.subarray(offset)), { at: offset });
  t.is((await upload.commit()).digest, digestOf(bytes));
  t.true((await readBlob(blobs, digestOf(bytes))).equals(bytes));
});

test("below the low-water mark uploads are refused, and reads go on", async (t) => {
  const { blobs, again, directory } = await openStore(t);
  const { digest } = await store(blobs, bytesOf(5, 10));
  await blobs.close();
  const full = (await openStore(t, { directory, minFree: Number.MAX_SAFE_INTEGER })).blobs;
  const { detail } = await throwsCode(t, full.begin(), "STORE_FULL");
  t.like(detail, { minFree: Number.MAX_SAFE_INTEGER });
  await throwsCode(t, full.begin({ resumable: true }), "STORE_FULL");
  t.true((await readBlob(full, digest)).equals(bytesOf(5, 10)));
  await full.close();
  await t.notThrowsAsync((await again()).begin());
});

test("an upload ends when it comes to the low-water mark", async (t) => {
  const directory = await smallDisk(t, 96 * MiB);
  if (directory === undefined) return;
  const { blobs } = await openStore(t, { directory, minFree: 48 * MiB });
  const upload = await blobs.begin({ resumable: true });
  await throwsCode(t, upload.append(sourceOf(bytesOf(6, 90 * MiB), MiB), { at: 0 }), "STORE_FULL");
  t.true(upload.offset >= 32 * MiB && upload.offset < 88 * MiB, String(upload.offset));
  await throwsCode(t, blobs.begin(), "STORE_FULL");
  await upload.cancel();
  await t.notThrowsAsync(blobs.begin());
});
