import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import test from "ava";
import { digestOf } from "../../src/core/digest.ts";
import { injectFault, systemError } from "./faulty-fs.ts";
import {
  bytesOf,
  KiB,
  MiB,
  openStore,
  pathOf,
  readBlob,
  sourceOf,
  stallingSource,
  store,
  throwsCode,
  uploadFiles,
} from "./samples.ts";

/* What the store does when the disk, or the machine, does not do what it should. One test at a time. */

for (const [code, told] of [
  ["ENOSPC", "STORE_FULL"],
  ["EDQUOT", "STORE_FULL"],
  ["EIO", "UNAVAILABLE"],
] as const) {
  test.serial(`a write that fails with ${code} is ${told}, and what was written is kept`, async (t) => {
    const { blobs } = await openStore(t);
    const bytes = bytesOf(1, 6 * MiB);
    const upload = await blobs.begin({ resumable: true });
    let writes = 0;
    const restore = injectFault(t, "writev", (real, args, done) => {
      writes += 1;
      if (writes <= 2) real(...args, done);
      else done(systemError(code), 0);
    });
    await throwsCode(t, upload.append(sourceOf(bytes), { at: 0 }), told);
    restore();
    t.true(upload.offset > 0 && upload.offset < bytes.length);
    await upload.append(sourceOf(bytes.subarray(upload.offset)), { at: upload.offset });
    t.is((await upload.commit()).digest, digestOf(bytes));
    t.true((await readBlob(blobs, digestOf(bytes))).equals(bytes));
    await upload.cancel();
  });
}

test.serial("a disk that fills up leaves nothing of an upload that cannot be resumed", async (t) => {
  const { blobs, directory } = await openStore(t);
  injectFault(t, "writev", (_real, _args, done) => done(systemError("ENOSPC"), 0));
  for (const size of [10, 3 * MiB]) {
    const upload = await blobs.begin();
    await throwsCode(t, upload.append(sourceOf(bytesOf(2, size)), { at: 0 }), "STORE_FULL");
  }
  t.deepEqual(await uploadFiles(directory), []);
});

test.serial("writes that take only a part are gone on with", async (t) => {
  const { blobs } = await openStore(t);
  let writes = 0;
  injectFault(t, "writev", (real, [fd, pieces, at], done) => {
    writes += 1;
    const few: Buffer[] = [];
    let room = 1 + ((writes * 7919) % (100 * KiB));
    for (const piece of pieces as Buffer[]) {
      if (room === 0) break;
      few.push(piece.subarray(0, room));
      room -= few.at(-1)?.length ?? 0;
    }
    real(fd, few, at, done);
  });
  const bytes = bytesOf(3, 3 * MiB);
  const { digest } = await store(blobs, bytes);
  t.is(digest, digestOf(bytes));
  t.true((await readBlob(blobs, digest)).equals(bytes));
});

for (const operation of ["commit", "sync"] as const) {
  test.serial(
    `a ${operation} whose sync fails costs what was not synced before, whatever a later one says`,
    async (t) => {
      const { blobs, directory } = await openStore(t);
      // The others are as long as the lost ones: what was computed of those must be forgotten, too.
      const [first, lost, others] = [bytesOf(4, MiB), bytesOf(5, 2 * MiB), bytesOf(6, 2 * MiB)];
      const upload = await blobs.begin({ resumable: true });
      await upload.append(sourceOf(first), { at: 0 });
      await upload.sync();
      await upload.append(sourceOf(lost), { at: MiB });
      const restore = injectFault(t, "fdatasync", (_real, _args, done) => done(systemError("EIO")));
      await throwsCode(t, upload[operation](), "UNAVAILABLE");
      restore();
      t.is(upload.offset, MiB);
      t.is((await stat(join(directory, "uploads", upload.id))).size, MiB);
      await upload.append(sourceOf(others), { at: MiB });
      t.is((await upload.commit()).digest, digestOf(Buffer.concat([first, others])));
      await upload.cancel();
    },
  );
}

test.serial("a sync that fails in the background ends the upload where it was synced last", async (t) => {
  const { blobs } = await openStore(t);
  const bytes = bytesOf(7, 80 * MiB);
  const upload = await blobs.begin({ resumable: true });
  const restore = injectFault(t, "fdatasync", (_real, _args, done) => done(systemError("EIO")));
  await t.throwsAsync(async () => {
    await upload.append(sourceOf(bytes, MiB), { at: 0 });
    await upload.commit();
  });
  restore();
  t.is(upload.offset, 0);
  await upload.append(sourceOf(bytes, MiB), { at: 0 });
  t.is((await upload.commit()).digest, digestOf(bytes));
  await upload.cancel();
});

test.serial(
  "an upload that is being released is resumed when it has been, however long a write takes",
  async (t) => {
    const { blobs } = await openStore(t);
    const upload = await blobs.begin({ resumable: true });
    const source = stallingSource(bytesOf(12, 100));
    const append = throwsCode(t, upload.append(source, { at: 0 }), "UNAVAILABLE");
    await new Promise((resolve) => source.once("data", resolve));
    injectFault(t, "writev", (real, args, done) => setTimeout(() => real(...args, done), 100));
    const [, resumed] = await Promise.all([upload.release(), blobs.resume(upload.id), append]);
    t.not(resumed, upload);
    t.is(resumed?.offset, 100);
  },
);

test.serial("too many open files is UNAVAILABLE, for writing and for reading", async (t) => {
  const { blobs } = await openStore(t);
  const { digest } = await store(blobs, bytesOf(8, 10));
  const upload = await blobs.begin({ resumable: true });
  const restore = injectFault(t, "open", (_real, _args, done) => done(systemError("EMFILE")));
  await throwsCode(t, upload.append(sourceOf(bytesOf(9, 10)), { at: 0 }), "UNAVAILABLE");
  await throwsCode(t, blobs.open(digest), "UNAVAILABLE");
  await throwsCode(t, blobs.begin({ resumable: true }), "UNAVAILABLE");
  restore();
  t.is(upload.offset, 0);
  await upload.append(sourceOf(bytesOf(9, 10)), { at: 0 });
  await upload.commit();
  t.true((await readBlob(blobs, digest)).equals(bytesOf(8, 10)));
});

test.serial("a blob whose directory cannot be synced is not told of before it can", async (t) => {
  const { blobs, directory } = await openStore(t);
  const bytes = bytesOf(10, 10);
  const upload = await blobs.begin({ resumable: true });
  await upload.append(sourceOf(bytes), { at: 0 });
  await upload.sync();
  const restore = injectFault(t, "fsync", (_real, _args, done) => done(systemError("EIO")));
  await throwsCode(t, upload.commit(), "UNAVAILABLE");
  restore();
  const moved = injectFault(t, "fsync", (real, args, done) => {
    // Uploads can be synced, shards cannot.
    if (syncs++ === 0) real(...args, done);
    else done(systemError("EIO"));
  });
  let syncs = 0;
  await throwsCode(t, upload.commit(), "UNAVAILABLE");
  t.true((await readFile(pathOf(directory, digestOf(bytes)))).equals(bytes));
  await throwsCode(t, blobs.stat(digestOf(bytes)), "UNAVAILABLE");
  await throwsCode(t, blobs.open(digestOf(bytes)), "UNAVAILABLE");
  moved();
  t.is((await upload.commit()).digest, digestOf(bytes));
  t.is((await blobs.stat(digestOf(bytes)))?.size, 10);
});

test.serial("an upload can be committed after its hashing thread has died", async (t) => {
  const workers: Worker[] = [];
  const remember = (worker: Worker) => workers.push(worker);
  process.on("worker", remember);
  t.teardown(() => process.off("worker", remember));
  const { blobs } = await openStore(t);
  const bytes = bytesOf(11, 3 * MiB);
  const upload = await blobs.begin({ resumable: true });
  await upload.append(sourceOf(bytes), { at: 0 });
  t.true(workers.length > 0);
  for (const worker of workers) await worker.terminate();
  await throwsCode(t, upload.commit(), "UNAVAILABLE");
  t.is((await upload.commit()).digest, digestOf(bytes));
  await upload.cancel();
});
