import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import type { BlobStore, BlobUpload } from "../../src/blobs/port.ts";
import { digestOf } from "../../src/core/digest.ts";
import { isLayerdError } from "../../src/core/errors.ts";
import { eventually } from "../tools/eventually.ts";
import { type S3Place, testS3 } from "./s3-samples.ts";
import { bytesOf, KiB, MiB, readBlob, sourceOf, stallingSource, throwsCode, uploadId } from "./samples.ts";

const MINUTE = 60_000;
const ID = uploadId("the-upload");
const bytes = bytesOf(1, 30 * MiB + 17);

async function begun(blobs: BlobStore, length: number): Promise<BlobUpload> {
  const upload = await blobs.begin({ id: ID, resumable: true, note: { some: "note" } });
  await upload.append(sourceOf(bytes.subarray(0, length)), { at: 0 });
  await upload.sync();
  return upload;
}

/** Goes on with the upload, wherever it stands, to its end. */
async function finish(t: ExecutionContext, blobs: BlobStore, content: Buffer = bytes): Promise<void> {
  const upload = (await blobs.resume(ID)) ?? t.fail();
  await upload.append(sourceOf(content.subarray(upload.offset)), { at: upload.offset });
  await upload.commit({ digests: [digestOf(content)], size: content.length });
  await upload.cancel();
  t.true((await readBlob(blobs, digestOf(content))).equals(content));
}

/** Nothing is left of the upload but its blob. */
async function onlyTheBlob(t: ExecutionContext, { open, keys, rows }: S3Place): Promise<void> {
  await (await open()).sweepOrphans(new Date(Date.now() + MINUTE));
  const known = await rows("select key, state from blob_objects order by key");
  t.deepEqual(known, [{ key: (await keys())[0], state: "live" }]);
  t.is((await keys()).length, 1);
  t.deepEqual(await rows("select * from blob_parts"), []);
}

for (const length of [0, 100, 3 * MiB, 6 * MiB, 8 * MiB, 20 * MiB + 1]) {
  testS3(`an upload that stands at ${length} bytes is finished by another server`, async (t, place) => {
    const [first, second] = [await place.open(), await place.open()];
    await begun(first, length);
    const upload = (await second.resume(ID)) ?? t.fail();
    t.is(upload.offset, length);
    t.deepEqual(upload.note, { some: "note" });
    t.true(upload.head.equals(bytes.subarray(0, Math.min(length, 512))));
    await finish(t, second);
    t.is(await first.resume(ID), undefined);
    t.true((await readBlob(first, digestOf(bytes))).equals(bytes));
    await onlyTheBlob(t, place);
  });
}

testS3("of an upload whose server has died, every finished part counts", async (t, place) => {
  const [first, second] = [await place.open(), await place.open()];
  const upload = await first.begin({ id: ID, resumable: true });
  const append = upload.append(stallingSource(bytes.subarray(0, 20 * MiB)), { at: 0 });
  await eventually(
    async () => (await place.rows("select size from blob_uploads"))[0]?.size === String(16 * MiB),
  );
  t.is((await second.resume(ID))?.offset, 16 * MiB);
  await finish(t, second);
  // It was not dead after all.
  await Promise.all([throwsCode(t, append, "UNAVAILABLE"), upload.release()]);
  await onlyTheBlob(t, place);
});

testS3(
  "a server that sends two parts more than another has gone on with overwrites none",
  async (t, place) => {
    const [first, second] = [await place.open(), await place.open()];
    const standsAt = async (size: number) =>
      (await place.rows("select size from blob_uploads"))[0]?.size === String(size);
    const upload = await first.begin({ id: ID, resumable: true });
    const source = stallingSource(bytes.subarray(0, 9 * MiB));
    const append = upload.append(source, { at: 0 });
    await eventually(async () => await standsAt(8 * MiB));
    const other = (await second.resume(ID)) ?? t.fail();
    await other.append(sourceOf(bytes.subarray(8 * MiB, 17 * MiB)), { at: 8 * MiB });
    t.is(await other.sync(), 17 * MiB);
    // Both at once: the second one does not wait until the first has failed.
    source.push(bytesOf(2, 20 * MiB));
    source.push(null);
    await Promise.allSettled([append]);
    t.is(await upload.sync(), 17 * MiB);
    await finish(t, second);
    await onlyTheBlob(t, place);
  },
);

testS3("what comes in small pieces, each of them durable, is put together", async (t, place) => {
  const [first, second] = [await place.open(), await place.open()];
  const small = bytes.subarray(0, 50 * 10 * KiB);
  await begun(first, 0);
  for (let at = 0; at < small.length; at += 10 * KiB) {
    const upload = (await (at % (40 * KiB) === 0 ? second : first).resume(ID)) ?? t.fail();
    await upload.append(sourceOf(small.subarray(at, at + 10 * KiB)), { at });
    t.is(await upload.sync(), at + 10 * KiB);
  }
  t.true((await place.keys()).length <= 20, String((await place.keys()).length));
  await finish(t, first, small);
  await onlyTheBlob(t, place);
});

testS3("what arrived in one piece is written once: committing it writes nothing", async (t, place) => {
  const blobs = await place.open();
  const upload = await begun(blobs, 3 * MiB);
  const keys = await place.keys();
  t.is(keys.length, 1);
  const { digest } = await upload.commit();
  t.deepEqual(await place.keys(), keys);
  t.true((await readBlob(blobs, digest)).equals(bytes.subarray(0, 3 * MiB)));
});

testS3("of two servers at the same offset, one goes on, and the other is told", async (t, place) => {
  const [first, second] = [await place.open(), await place.open()];
  const winner = await begun(first, 100);
  const loser = (await second.resume(ID)) ?? t.fail();
  await loser.append(sourceOf(bytesOf(2, 500)), { at: 100 });
  await winner.append(sourceOf(bytes.subarray(100, 300)), { at: 100 });
  t.is(await winner.sync(), 300);
  // It looks before it writes, and what it had taken is not what the upload is.
  t.is(await loser.sync(), 300);
  await throwsCode(t, loser.append(sourceOf(bytes), { at: 600 }), "OFFSET_MISMATCH");
  await finish(t, second);
});

testS3(
  "of two servers that write at the same time, one fails, and bytes are never mixed",
  async (t, place) => {
    const stores = [await place.open(), await place.open()];
    await begun(stores[0] ?? t.fail(), 0);
    let failures = 0;
    const client = async (blobs: BlobStore, piece: number) => {
      for (;;) {
        const upload = (await blobs.resume(ID)) ?? t.fail();
        const { offset } = upload;
        if (offset >= bytes.length) return;
        try {
          await upload.append(sourceOf(bytes.subarray(offset, offset + piece)), { at: offset });
          await upload.sync();
        } catch (error) {
          failures += 1;
          if (!isLayerdError(error, "UNAVAILABLE") && !isLayerdError(error, "OFFSET_MISMATCH")) throw error;
        }
      }
    };
    await Promise.all(stores.map((blobs, i) => client(blobs, i === 0 ? 9 * MiB : 700 * KiB)));
    t.true(failures > 0);
    await finish(t, stores[1] ?? t.fail());
    await onlyTheBlob(t, place);
  },
);

testS3("an upload that another server has begun anew is the new one", async (t, place) => {
  const [first, second] = [await place.open(), await place.open()];
  const older = await begun(first, 20 * MiB);
  await second.begin({ id: ID, resumable: true });
  await throwsCode(t, older.append(sourceOf(bytes), { at: 20 * MiB }), "OFFSET_MISMATCH");
  t.is((await first.resume(ID))?.offset, 0);
  await finish(t, first);
  await onlyTheBlob(t, place);
});

testS3("an upload that another server has cancelled is gone", async (t, place) => {
  const [first, second] = [await place.open(), await place.open()];
  const upload = await begun(first, 20 * MiB);
  await (await second.resume(ID))?.cancel();
  await throwsCode(t, upload.append(sourceOf(bytes), { at: 20 * MiB }), "BLOB_UPLOAD_UNKNOWN");
  t.is(await first.resume(ID), undefined);
  t.deepEqual(await place.keys(), []);
});

testS3("an upload that another server has committed is", async (t, place) => {
  const [first, second] = [await place.open(), await place.open()];
  const upload = await begun(first, 20 * MiB);
  const stat = await (await second.resume(ID))?.commit();
  t.deepEqual(await upload.commit(), stat);
  t.deepEqual(upload.committed, stat);
  t.deepEqual(
    (await Array.fromAsync(first.uploads())).map(({ becoming }) => becoming),
    [stat?.digest],
  );
});

testS3(
  "a server that dies between making the object and publishing it has lost nothing",
  async (t, place) => {
    const [first, second] = [await place.open(), await place.open()];
    const upload = await begun(first, 20 * MiB);
    const naming = () => Promise.reject(new Error("the power went"));
    await t.throwsAsync(upload.commit({ naming }), { message: "the power went" });
    const resumed = (await second.resume(ID)) ?? t.fail();
    t.is(resumed.offset, 20 * MiB);
    t.is(resumed.committed, undefined);
    await throwsCode(t, resumed.append(sourceOf(bytes), { at: 20 * MiB }), "BLOB_UPLOAD_INVALID");
    const { digest } = await resumed.commit({ digests: [digestOf(bytes.subarray(0, 20 * MiB), "sha512")] });
    t.true((await readBlob(second, digest)).equals(bytes.subarray(0, 20 * MiB)));
    await resumed.cancel();
    await onlyTheBlob(t, place);
  },
);

testS3("a server that dies just before making the object has lost nothing", async (t, place) => {
  const [first, second] = [await place.open(), await place.open()];
  await begun(first, 20 * MiB);
  await place.rows(`update blob_uploads set sealed = ${20 * MiB}, version = gen_random_uuid()`);
  t.is((await second.resume(ID))?.offset, 20 * MiB);
  await finish(t, second);
  await onlyTheBlob(t, place);
});

testS3("bytes that have rotted while an upload waited do not get into the blob", async (t, place) => {
  const [first, second] = [await place.open(), await place.open()];
  await begun(first, 3 * MiB);
  const [key = ""] = await place.keys();
  await writeFile(join(place.directory, key), bytesOf(2, 3 * MiB));
  const upload = (await second.resume(ID)) ?? t.fail();
  await throwsCode(t, upload.append(sourceOf(bytes), { at: 3 * MiB }), "UNAVAILABLE");
});

testS3("uploads that wait go on, also when the memory of what they had was needed", async (t, place) => {
  const blobs = await place.open();
  const uploads: BlobUpload[] = [];
  for (let seed = 0; seed < 40; seed += 1) {
    const upload = await blobs.begin({ resumable: true });
    await upload.append(sourceOf(bytesOf(seed, 4 * MiB)), { at: 0 });
    await upload.sync();
    uploads.push(upload);
  }
  for (const [seed, upload] of uploads.entries()) {
    await upload.append(sourceOf(bytes.subarray(0, 100)), { at: 4 * MiB });
    const whole = Buffer.concat([bytesOf(seed, 4 * MiB), bytes.subarray(0, 100)]);
    t.is((await upload.commit()).digest, digestOf(whole));
  }
});

testS3("wrong bytes that came to two servers are refused, and nothing is left of them", async (t, place) => {
  const [first, second] = [await place.open(), await place.open()];
  await begun(first, 20 * MiB);
  const upload = (await second.resume(ID)) ?? t.fail();
  await upload.append(sourceOf(bytesOf(2, 5 * MiB)), { at: 20 * MiB });
  await throwsCode(t, upload.commit({ digests: [digestOf(bytes)] }), "DIGEST_INVALID");
  t.is(await first.resume(ID), undefined);
  t.deepEqual(await place.keys(), []);
});

testS3("of bytes that came to two servers, any digest names the blob", async (t, place) => {
  const [first, second] = [await place.open(), await place.open()];
  await begun(first, 20 * MiB);
  const upload = (await second.resume(ID)) ?? t.fail();
  await upload.append(sourceOf(bytes.subarray(20 * MiB)), { at: 20 * MiB });
  const digest = digestOf(bytes, "sha512");
  t.deepEqual(await upload.commit({ digests: [digest] }), { digest, size: bytes.length });
  t.true((await readBlob(first, digest)).equals(bytes));
});
