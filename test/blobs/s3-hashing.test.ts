import { once } from "node:events";
import type { Worker } from "node:worker_threads";
import test, { type ExecutionContext } from "ava";
import { digestOf } from "../../src/core/digest.ts";
import { eventually } from "../tools/eventually.ts";
import { requireTool } from "../tools/tools.ts";
import { type S3Place, s3Place } from "./s3-samples.ts";
import { bytesOf, MiB, readBlob, sourceOf, stallingSource, store, throwsCode, uploadId } from "./samples.ts";

/* What becomes of uploads whose hashes another thread computes. One at a time: the threads are told apart by when they start. */

const ID = uploadId("the-upload");
const bytes = bytesOf(1, 40 * MiB);

function testThreads(title: string, body: (t: ExecutionContext, place: S3Place) => Promise<void>): void {
  test.serial(title, async (t) => {
    if (requireTool(t, "versitygw")) await body(t, await s3Place(t));
  });
}

/** The next thread that starts. */
async function nextThread(): Promise<Worker> {
  const [worker] = await once(process, "worker");
  return worker as Worker;
}

testThreads("closing the store ends its threads", async (t, place) => {
  const blobs = await place.open();
  const starting = nextThread();
  await store(blobs, bytes);
  const ended = once(await starting, "exit");
  await blobs.close();
  t.is((await ended).length, 1);
});

testThreads("a small blob needs no thread", async (t, place) => {
  const blobs = await place.open();
  let threads = 0;
  const count = () => {
    threads += 1;
  };
  process.on("worker", count);
  t.teardown(() => process.off("worker", count));
  for (const resumable of [false, true]) {
    const upload = await blobs.begin({ resumable, algorithms: ["sha512", "sha256"] });
    await upload.append(sourceOf(bytes.subarray(0, 100)), { at: 0 });
    await upload.sync();
    await upload.append(sourceOf(bytes.subarray(100, MiB)), { at: 100 });
    t.is((await upload.commit()).digest, digestOf(bytes.subarray(0, MiB), "sha512"));
  }
  t.is(threads, 0);
});

testThreads("a plain upload whose thread dies fails, and leaves nothing", async (t, place) => {
  const blobs = await place.open();
  const starting = nextThread();
  const source = stallingSource(bytes.subarray(0, 20 * MiB));
  const upload = await blobs.begin();
  const append = upload.append(source, { at: 0 });
  await (await starting).terminate();
  source.push(bytes.subarray(20 * MiB));
  source.push(null);
  await throwsCode(
    t,
    append.then(() => upload.commit()),
    "UNAVAILABLE",
  );
  await throwsCode(t, upload.commit(), "BLOB_UPLOAD_UNKNOWN");
  t.deepEqual(await place.keys(), []);
  t.is((await store(blobs, bytes)).digest, digestOf(bytes));
});

testThreads("a resumable upload whose thread dies goes on behind its last stored part", async (t, place) => {
  const blobs = await place.open();
  const starting = nextThread();
  const upload = await blobs.begin({ id: ID, resumable: true });
  const source = stallingSource(bytes.subarray(0, 20 * MiB));
  const append = upload.append(source, { at: 0 });
  const thread = await starting;
  await eventually(
    async () => (await place.rows("select size from blob_uploads"))[0]?.size === String(16 * MiB),
  );
  await thread.terminate();
  source.push(bytes.subarray(20 * MiB));
  source.push(null);
  // Whether it is noticed now or at the next look: what had not been stored has to come again.
  await Promise.allSettled([append]);
  const resumed = (await blobs.resume(ID)) ?? t.fail();
  t.is(resumed.offset, 16 * MiB);
  await resumed.append(sourceOf(bytes.subarray(16 * MiB)), { at: 16 * MiB });
  const { digest } = await resumed.commit();
  t.is(digest, digestOf(bytes));
  t.true((await readBlob(blobs, digest)).equals(bytes));
});

for (const resumable of [false, true]) {
  testThreads(
    `cancelling a ${resumable ? "resumable" : "plain"} upload while parts are hashed and sent leaves nothing`,
    async (t, place) => {
      const blobs = await place.open();
      const upload = await blobs.begin({ resumable });
      const append = upload.append(stallingSource(bytes), { at: 0 });
      await eventually(async () => (await place.rows("select * from blob_objects")).length > 0);
      await Promise.all([throwsCode(t, append, "UNAVAILABLE"), upload.cancel()]);
      t.deepEqual(await place.keys(), []);
      t.deepEqual(await place.rows("select key from blob_objects"), []);
      t.is((await store(blobs, bytes)).digest, digestOf(bytes));
    },
  );
}
