import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { Bucket } from "../../src/blobs/s3/bucket.ts";
import { createClients } from "../../src/blobs/s3/client.ts";
import { digestOf } from "../../src/core/digest.ts";
import { eventually } from "../tools/eventually.ts";
import { testS3 } from "./s3-samples.ts";
import { bytesOf, MiB, read, readBlob, sourceOf, store, throwsCode, uploadId } from "./samples.ts";

const later = () => new Date(Date.now() + 60_000);
const NOTHING = { garbage: 0, objects: 0, multiparts: 0 };

testS3("what is needed, or young, is not swept", async (t, { open, keys }) => {
  const blobs = await open();
  const live = await store(blobs, bytesOf(1, 100));
  const discarded = await store(blobs, bytesOf(2, 9 * MiB));
  await blobs.discard(discarded.digest);
  const upload = await blobs.begin({ id: uploadId("a"), resumable: true });
  await upload.append(sourceOf(bytesOf(3, 9 * MiB)), { at: 0 });
  await upload.sync();
  const before = await keys();
  t.deepEqual(await blobs.sweepOrphans(later()), NOTHING);
  t.deepEqual(await keys(), before);

  const plain = await blobs.begin();
  await plain.append(sourceOf(bytesOf(4, 20 * MiB)), { at: 0 });
  await store(blobs, bytesOf(1, 100));
  t.deepEqual(await blobs.sweepOrphans(new Date(Date.now() - 60_000)), NOTHING);
  t.is((await plain.commit()).size, 20 * MiB);
  await (await (await open()).resume(uploadId("a")))?.commit();
  t.truthy(await blobs.stat(digestOf(bytesOf(3, 9 * MiB))));
  t.truthy(await blobs.stat(digestOf(bytesOf(4, 20 * MiB))));
  t.true(await blobs.restore(discarded.digest));
  t.true((await readBlob(blobs, discarded.digest)).equals(bytesOf(2, 9 * MiB)));
  t.true((await readBlob(blobs, live.digest)).equals(bytesOf(1, 100)));
});

testS3("a blob that was replaced is readable by its handle, until it is swept", async (t, { open, keys }) => {
  const blobs = await open();
  const bytes = bytesOf(1, MiB);
  const { digest } = await store(blobs, bytes);
  const handle = (await blobs.open(digest)) ?? t.fail();
  await store(blobs, bytes);
  t.is((await keys()).length, 2);
  t.true((await read(handle)).equals(bytes));
  t.deepEqual(await blobs.sweepOrphans(later()), { ...NOTHING, garbage: 1 });
  t.is((await keys()).length, 1);
  t.true((await readBlob(blobs, digest)).equals(bytes));
  await throwsCode(t, read(handle), "UNAVAILABLE");
});

testS3("what has long been in the trash is removed with its purge, the rest by a sweep", async (t, place) => {
  const blobs = await place.open();
  const [old, young] = [await store(blobs, bytesOf(1, 100)), await store(blobs, bytesOf(2, 100))];
  for (const { digest } of [old, young]) await blobs.discard(digest);
  const [key] = await place.keys();
  await place.rows(`update blob_objects set since = now() - interval '2 hours' where key = '${key}'`);
  for (const { digest } of [old, young]) await blobs.purge(digest);
  t.is((await place.keys()).length, 1);
  t.false((await place.keys()).includes(key ?? ""));
  t.deepEqual(await blobs.sweepOrphans(later()), { ...NOTHING, garbage: 1 });
  t.deepEqual(await place.keys(), []);
});

testS3("what is purged while it is being restored is not said to be restored", async (t, place) => {
  const blobs = await place.open();
  const { digest } = await store(blobs, bytesOf(1, 100));
  await blobs.discard(digest);
  const purging = new pg.Client(place.connection);
  await purging.connect();
  t.teardown(() => purging.end());
  await purging.query("begin");
  await purging.query("update blob_objects set state = 'garbage' where state = 'trash'");
  const restored = blobs.restore(digest);
  const waiting = `select from pg_locks where not granted and transactionid = pg_current_xact_id()::xid`;
  await eventually(async () => (await purging.query(waiting)).rows.length > 0);
  await purging.query("commit");
  t.false(await restored);
  t.is(await blobs.stat(digest), undefined);
});

testS3(
  "an upload that was taken for forgotten fails, and the older blob stays",
  async (t, { open, keys }) => {
    const [blobs, another] = [await open(), await open()];
    for (const size of [100, 20 * MiB]) {
      const bytes = bytesOf(1, size);
      const { digest } = await store(blobs, bytes);
      const upload = await blobs.begin();
      await upload.append(sourceOf(bytes), { at: 0 });
      const naming = async () => void (await another.sweepOrphans(later()));
      await throwsCode(t, upload.commit({ naming }), "UNAVAILABLE");
      t.true((await readBlob(blobs, digest)).equals(bytes));
      await another.sweepOrphans(later());
    }
    t.is((await keys()).length, 2);
  },
);

testS3(
  "what the catalog does not know is swept when it is old",
  async (t, { open, keys, options, directory }) => {
    const blobs = await open();
    const { digest } = await store(blobs, bytesOf(1, 100));
    const bucket = new Bucket(options.bucket, createClients(options));
    t.teardown(() => bucket.close());
    await writeFile(join(directory, "blobs", "stray"), "bytes");
    await bucket.createMultipart("blobs/unfinished");
    await mkdir(join(directory, "others"));
    await writeFile(join(directory, "others", "file"), "somebody else's");
    t.deepEqual(await blobs.sweepOrphans(new Date(Date.now() - 60_000)), NOTHING);
    t.true((await keys()).includes("blobs/stray"));
    t.deepEqual(await blobs.sweepOrphans(later()), { garbage: 0, objects: 1, multiparts: 1 });
    t.is((await keys()).length, 1);
    t.deepEqual(await Array.fromAsync(bucket.multiparts("")), [[]]);
    t.is(await bucket.size("others/file"), 15);
    t.true((await readBlob(blobs, digest)).equals(bytesOf(1, 100)));
  },
);

testS3(
  "uploads that fail, are cancelled or are finished leave nothing",
  async (t, { open, keys, options, rows }) => {
    const blobs = await open();
    for (const size of [10, 9 * MiB, 20 * MiB]) {
      for (const resumable of [true, false]) {
        const cancelled = await blobs.begin({ resumable });
        await cancelled.append(sourceOf(bytesOf(4, size)), { at: 0 });
        await cancelled.sync();
        await cancelled.cancel();
        const wrong = await blobs.begin({ resumable });
        await wrong.append(sourceOf(bytesOf(5, size)), { at: 0 });
        await throwsCode(t, wrong.commit({ size: 1 }), "SIZE_INVALID");
        const another = await blobs.begin({ resumable });
        await another.append(sourceOf(bytesOf(6, size)), { at: 0 });
        const digests = [digestOf(bytesOf(7, size), "sha512")];
        await throwsCode(t, another.commit({ digests }), "DIGEST_INVALID");
      }
    }
    t.deepEqual(await keys(), []);
    t.deepEqual(await rows("select * from blob_objects"), []);
    t.deepEqual(await rows("select * from blob_uploads"), []);
    const bucket = new Bucket(options.bucket, createClients(options));
    t.teardown(() => bucket.close());
    t.deepEqual(await Array.fromAsync(bucket.multiparts("")), [[]]);
  },
);
