import { execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, rename, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { digestOf } from "../../src/core/digest.ts";
import { testBlobs } from "../suites/blobs.ts";
import {
  bytesOf,
  connection,
  failingSource,
  MiB,
  openStore,
  pathOf,
  readBlob,
  readStream,
  sourceOf,
  spoil,
  store,
  TestLog,
  throwsCode,
  uploadFiles,
} from "./samples.ts";

for (const durability of ["full", "os"] as const) {
  testBlobs(`filesystem, ${durability}`, async (t) => (await openStore(t, { durability })).blobs);
}

test("a blob is a read-only file named by its digest, in a shard of its algorithm", async (t) => {
  const { blobs, directory } = await openStore(t);
  const bytes = bytesOf(1, 1000);
  for (const [algorithm, resumable] of [
    ["sha256", false],
    ["sha512", true],
  ] as const) {
    const upload = await blobs.begin({ algorithms: [algorithm], resumable });
    await upload.append(sourceOf(bytes), { at: 0 });
    const { digest } = await upload.commit();
    const hex = digest.slice(7);
    const path = join(directory, "blobs", algorithm, hex.slice(0, 2), hex);
    t.true((await readFile(path)).equals(bytes));
    t.is((await stat(path)).mode & 0o777, 0o444);
  }
});

test("what is committed is there when the store is opened again", async (t) => {
  const { blobs, again } = await openStore(t);
  const stats = [await store(blobs, bytesOf(2, 10)), await store(blobs, bytesOf(3, 2 * MiB))];
  const reopened = await again();
  for (const stat of stats) t.deepEqual(await reopened.stat(stat.digest), stat);
  t.true((await readBlob(reopened, digestOf(bytesOf(3, 2 * MiB)))).equals(bytesOf(3, 2 * MiB)));
});

test("uploads that fail, are cancelled or are finished leave no file", async (t) => {
  const { blobs, directory } = await openStore(t);
  for (const size of [10, 3 * MiB]) {
    for (const resumable of [true, false]) {
      const failing = await blobs.begin({ resumable });
      await t.throwsAsync(failing.append(failingSource(bytesOf(4, size), new Error("lost")), { at: 0 }));
      await failing.cancel();
      const wrong = await blobs.begin({ resumable });
      await wrong.append(sourceOf(bytesOf(5, size)), { at: 0 });
      await throwsCode(t, wrong.commit({ size: 1 }), "SIZE_INVALID");
      const finished = await blobs.begin({ resumable });
      await finished.append(sourceOf(bytesOf(6, size)), { at: 0 });
      await finished.commit();
      await finished.cancel();
    }
  }
  t.deepEqual(await uploadFiles(directory), []);
});

test("an upload that has received nothing has no file of its own", async (t) => {
  const { blobs, directory } = await openStore(t);
  await blobs.begin();
  t.deepEqual(await uploadFiles(directory), []);
});

for (const size of [100, 2 * MiB]) {
  test(`a blob of ${size} bytes that is removed is not there at once, and comes back when it is stored again`, async (t) => {
    const { blobs, directory } = await openStore(t);
    const bytes = bytesOf(7, size);
    const { digest } = await store(blobs, bytes);
    t.true((await readBlob(blobs, digest)).equals(bytes));
    await rm(pathOf(directory, digest));
    t.is(await blobs.open(digest), undefined);
    t.is(await blobs.stat(digest), undefined);
    await store(blobs, bytes);
    t.true((await readBlob(blobs, digest)).equals(bytes));
  });
}

test("a shard that is removed comes back with its next blob", async (t) => {
  const { blobs, directory } = await openStore(t);
  const { digest } = await store(blobs, bytesOf(8, 100));
  await rm(join(pathOf(directory, digest), ".."), { recursive: true });
  t.is(await blobs.stat(digest), undefined);
  await store(blobs, bytesOf(8, 100));
  t.true((await readBlob(blobs, digest)).equals(bytesOf(8, 100)));
});

test("a small blob with wrong bytes is never served, is told of, and heals when it is stored again", async (t) => {
  const log = new TestLog();
  const { directory, again } = await openStore(t, { log });
  const bytes = bytesOf(9, 100);
  const { digest } = await store(await again(), bytes);
  const path = pathOf(directory, digest);
  await spoil(path, () => writeFile(path, bytesOf(10, 100)));
  const blobs = await again();
  t.is(await blobs.open(digest), undefined);
  t.is(await blobs.open(digest), undefined);
  t.is(await blobs.stat(digest), undefined);
  t.deepEqual(
    log.warnings.map(({ about }) => about),
    [{ digest, path }],
  );
  await store(blobs, bytes);
  t.true((await readBlob(blobs, digest)).equals(bytes));
  t.is((await blobs.stat(digest))?.size, 100);
});

test("a small blob that changes behind the store's back is looked at anew", async (t) => {
  const { blobs, directory } = await openStore(t);
  const bytes = bytesOf(11, 100);
  const { digest } = await store(blobs, bytes);
  const path = pathOf(directory, digest);
  await readBlob(blobs, digest);
  await spoil(path, async () => {
    await writeFile(path, bytesOf(12, 100));
    await utimes(path, 1, 1);
  });
  t.is(await blobs.open(digest), undefined);
  // Put back by somebody who had a copy.
  await writeFile(`${path}.copy`, bytes);
  await rename(`${path}.copy`, path);
  t.true((await readBlob(blobs, digest)).equals(bytes));
});

test("a large blob that was cut short is of its real size, and reading on from a longer one fails", async (t) => {
  const { blobs, directory } = await openStore(t);
  const { digest } = await store(blobs, bytesOf(13, 4 * MiB));
  const path = pathOf(directory, digest);
  const handle = (await blobs.open(digest)) ?? t.fail();
  await spoil(path, () => truncate(path, MiB));
  await t.throwsAsync(handle.stream().toArray(), { message: /ends at byte 1048576/ });
  const { near, far } = await connection(t);
  far.resume();
  await t.throwsAsync(handle.send(near), { message: /ends at byte 1048576/ });
  await handle.close();
  t.is((await blobs.stat(digest))?.size, MiB);
  const shorter = await blobs.open(digest);
  t.is(shorter?.size, MiB);
  await shorter?.close();
});

test("what is not a file is not a blob", async (t) => {
  const { blobs, directory } = await openStore(t);
  for (const [seed, make] of [
    [14, (path: string) => mkdir(path)],
    [15, async (path: string) => void execFileSync("mkfifo", [path])],
  ] as const) {
    const digest = digestOf(bytesOf(seed, 10));
    const path = pathOf(directory, digest);
    await mkdir(join(path, ".."), { recursive: true });
    await make(path);
    t.is(await blobs.stat(digest), undefined);
    t.is(await blobs.open(digest), undefined);
  }
});

test("what a dead process left of uploads that cannot be resumed is removed, and nothing else", async (t) => {
  const { blobs, directory, again } = await openStore(t);
  const upload = await blobs.begin({ resumable: true });
  await upload.append(sourceOf(bytesOf(16, 100)), { at: 0 });
  await blobs.close();
  const uploads = join(directory, "uploads");
  for (const name of ["dead", "dead-2", `${upload.id}.json.new`, "dead-3.json.new", "Not.ours"]) {
    await writeFile(join(uploads, name), "left");
  }
  const reopened = await again();
  await reopened.close();
  t.deepEqual(await uploadFiles(directory), ["Not.ours", upload.id, `${upload.id}.json`].sort());
});

test("an id of a leftover can be used at once", async (t) => {
  const { blobs, directory, again } = await openStore(t);
  await blobs.close();
  const names = Array.from({ length: 50 }, (_, i) => `dead-${i}`);
  for (const name of names) await writeFile(join(directory, "uploads", name), "left");
  const reopened = await again();
  const stats = await Promise.all(
    names.map(async (name, i) => {
      const upload = await reopened.begin({ id: name as typeof upload.id, resumable: i % 2 === 0 });
      await upload.append(sourceOf(bytesOf(i, 100)), { at: 0 });
      return await upload.commit();
    }),
  );
  for (const [i, stat] of stats.entries()) t.is(stat.digest, digestOf(bytesOf(i, 100)));
});

test("a data directory is made with everything above it", async (t) => {
  const { directory } = await openStore(t);
  const deeper = join(directory, "a", "b", "data");
  const { blobs } = await openStore(t, { directory: deeper });
  await store(blobs, bytesOf(17, 10));
  t.deepEqual((await readdir(deeper)).sort(), ["blobs", "trash", "uploads"]);
});

test("an inspection shows the bytes on the disk, not those remembered; quarantine keeps them", async (t) => {
  const { blobs, directory } = await openStore(t);
  const bytes = bytesOf(1, 1000);
  const { digest } = await store(blobs, bytes);
  await readBlob(blobs, digest);
  const path = pathOf(directory, digest);
  const { mtime, atime } = await stat(path);
  const rotten = bytesOf(2, 1000);
  await spoil(path, async () => {
    await writeFile(path, rotten);
    await utimes(path, atime, mtime);
  });
  const { handle, quarantine } = (await blobs.inspect(digest)) ?? t.fail();
  t.deepEqual(await readStream(handle.stream()), rotten);
  t.truthy(await quarantine());
  await handle.close();
  t.is(await blobs.open(digest), undefined);
  t.deepEqual(await readFile(join(directory, "quarantine", "sha256", digest.slice(7))), rotten);
});

test("what is not a file cannot be inspected", async (t) => {
  const { blobs, directory } = await openStore(t);
  const digest = digestOf(bytesOf(1, 10));
  await mkdir(pathOf(directory, digest), { recursive: true });
  t.is(await blobs.inspect(digest), undefined);
});
