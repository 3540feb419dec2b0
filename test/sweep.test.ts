import { utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { choresOf } from "../src/create.ts";
import { testS3 } from "./blobs/s3-samples.ts";
import { bytesOf, store } from "./blobs/samples.ts";

const DAY = 24 * 3_600_000;
const ran = new AbortController().signal;

/** An object that the catalog does not know: as one does that came after the copy from which it was restored. */
async function strayOf(directory: string, name: string, age: number): Promise<void> {
  const path = join(directory, "blobs", name);
  await writeFile(path, "bytes");
  const at = new Date(Date.now() - age);
  await utimes(path, at, at);
}

testS3("a bucket is swept of what has been unknown for a day", async (t, { open, keys, directory }) => {
  const bucket = await open();
  await store(bucket, bytesOf(1, 100));
  await strayOf(directory, "old", DAY + 60_000);
  await strayOf(directory, "young", DAY - 60_000);
  const chores = choresOf({ gc: true, uploadTtl: 1000 }, { bucket, sharedFiles: undefined });
  t.deepEqual(
    chores.map(({ name }) => name),
    ["bucket"],
  );
  for (const { work } of chores) await work(ran);
  const left = await keys();
  t.is(left.length, 2);
  t.true(left.includes("blobs/young"));
});

testS3("it is not swept of what an upload may still need", async (t, { open, keys, directory }) => {
  const bucket = await open();
  await store(bucket, bytesOf(1, 100));
  await strayOf(directory, "old", DAY + 60_000);
  for (const { work } of choresOf({ gc: true, uploadTtl: 2 * DAY }, { bucket })) await work(ran);
  t.true((await keys()).includes("blobs/old"));
});

testS3("without gc nothing sweeps a bucket", async (t, { open }) => {
  t.deepEqual(choresOf({ gc: false, uploadTtl: 1000 }, { bucket: await open(), sharedFiles: undefined }), []);
});
