import { chmod, mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import test from "ava";
import type { BlobStore, UploadId } from "../../src/blobs/port.ts";
import { digestOf } from "../../src/core/digest.ts";
import {
  bytesOf,
  MiB,
  openStore,
  pathOf,
  readBlob,
  sourceOf,
  TestLog,
  throwsCode,
  uploadFiles,
  uploadId,
} from "./samples.ts";

const ID = uploadId("the-upload");

interface Parts {
  /** Bytes that are appended and made durable. */
  readonly synced: number;
  /** Bytes that are appended after that. */
  readonly unsynced: number;
}

const bytes = bytesOf(1, 4 * MiB);

/** An upload as a process leaves it that is killed. */
async function interrupted(blobs: BlobStore, { synced, unsynced }: Parts): Promise<void> {
  const upload = await blobs.begin({ id: ID, resumable: true, note: { some: "note" } });
  await upload.append(sourceOf(bytes.subarray(0, synced)), { at: 0 });
  await upload.sync();
  await upload.append(sourceOf(bytes.subarray(synced, synced + unsynced)), { at: synced });
  await blobs.close();
}

async function editRecord(directory: string, changes: object): Promise<void> {
  const path = join(directory, "uploads", `${ID}.json`);
  const record = JSON.parse(await readFile(path, "utf8"));
  await writeFile(path, JSON.stringify({ ...record, ...changes }));
}

async function finish(blobs: BlobStore, id: UploadId): Promise<void> {
  const upload = await blobs.resume(id);
  if (upload === undefined) throw new Error("it is gone");
  await upload.append(sourceOf(bytes.subarray(upload.offset)), { at: upload.offset });
  await upload.commit({ digests: [digestOf(bytes)], size: bytes.length });
  await upload.cancel();
}

test("after a restart everything that was written is there", async (t) => {
  const { blobs, again } = await openStore(t);
  await interrupted(blobs, { synced: MiB, unsynced: MiB + 5 });
  const reopened = await again();
  const upload = (await reopened.resume(ID)) ?? t.fail();
  t.is(upload.offset, 2 * MiB + 5);
  t.deepEqual(upload.note, { some: "note" });
  t.true(upload.head.equals(bytes.subarray(0, 512)));
  await finish(reopened, ID);
  t.true((await readBlob(reopened, digestOf(bytes))).equals(bytes));
});

test("after the machine was started anew only what was synced is there", async (t) => {
  const { blobs, directory, again } = await openStore(t);
  await interrupted(blobs, { synced: MiB, unsynced: MiB + 5 });
  await editRecord(directory, { boot: "another" });
  const reopened = await again();
  t.is((await reopened.resume(ID))?.offset, MiB);
  t.is((await stat(join(directory, "uploads", ID))).size, MiB);
  await finish(reopened, ID);
  t.true((await readBlob(reopened, digestOf(bytes))).equals(bytes));
});

test("what is appended after the machine was started anew survives the next restart", async (t) => {
  const { blobs, directory, again } = await openStore(t);
  await interrupted(blobs, { synced: MiB, unsynced: MiB });
  await editRecord(directory, { boot: "another" });
  const second = await again();
  const upload = (await second.resume(ID)) ?? t.fail();
  await upload.append(sourceOf(bytes.subarray(MiB, 3 * MiB)), { at: MiB });
  const third = await again();
  t.is((await third.resume(ID))?.offset, 3 * MiB);
  await finish(third, ID);
});

test("with durability left to the kernel, nothing is there after the machine was started anew", async (t) => {
  const { blobs, directory, again } = await openStore(t, { durability: "os" });
  await interrupted(blobs, { synced: MiB, unsynced: MiB });
  await editRecord(directory, { boot: "another" });
  const reopened = await again();
  t.is((await reopened.resume(ID))?.offset, 0);
  await finish(reopened, ID);
});

test("a file that lost its end to a power cut is as long as it is", async (t) => {
  const { blobs, directory, again } = await openStore(t);
  await interrupted(blobs, { synced: MiB, unsynced: 0 });
  await editRecord(directory, { boot: "another", synced: 2 * MiB });
  const reopened = await again();
  t.is((await reopened.resume(ID))?.offset, MiB);
  await finish(reopened, ID);
});

test("a long upload is made durable as it goes", async (t) => {
  const { blobs, directory } = await openStore(t);
  const upload = await blobs.begin({ id: ID, resumable: true });
  await upload.append(sourceOf(bytesOf(2, 70 * MiB), MiB), { at: 0 });
  // Not yet `sync`ed: what the record says comes from the background.
  await upload.release();
  const { synced } = JSON.parse(await readFile(join(directory, "uploads", `${ID}.json`), "utf8"));
  t.true(synced >= 32 * MiB, `${synced} bytes`);
});

test("an upload that became a blob before the process died is committed", async (t) => {
  const { blobs, directory, again } = await openStore(t);
  await interrupted(blobs, { synced: bytes.length, unsynced: 0 });
  const digest = digestOf(bytes);
  await editRecord(directory, { committing: { digest, size: bytes.length } });
  await mkdir(dirname(pathOf(directory, digest)), { recursive: true });
  await rename(join(directory, "uploads", ID), pathOf(directory, digest));
  const reopened = await again();
  const upload = (await reopened.resume(ID)) ?? t.fail();
  t.deepEqual(upload.committed, { digest, size: bytes.length });
  t.is(upload.offset, bytes.length);
  t.true(upload.head.equals(bytes.subarray(0, 512)));
  t.deepEqual(await upload.commit(), upload.committed);
  await upload.cancel();
  t.deepEqual(await uploadFiles(directory), []);
  t.true((await readBlob(reopened, digest)).equals(bytes));
});

test("an upload that was about to become a blob goes on", async (t) => {
  const { blobs, directory, again } = await openStore(t);
  await interrupted(blobs, { synced: 2 * MiB, unsynced: 0 });
  await editRecord(directory, { committing: { digest: digestOf(bytes), size: bytes.length } });
  // Being made read-only is the last that happens before.
  await chmod(join(directory, "uploads", ID), 0o444);
  const reopened = await again();
  const upload = (await reopened.resume(ID)) ?? t.fail();
  t.is(upload.committed, undefined);
  t.is(upload.offset, 2 * MiB);
  t.is((await stat(join(directory, "uploads", ID))).mode & 0o777, 0o600);
  await finish(reopened, ID);
});

test("an upload whose blob is gone begins anew", async (t) => {
  const { blobs, directory, again } = await openStore(t);
  await interrupted(blobs, { synced: 0, unsynced: 0 });
  await editRecord(directory, { committing: { digest: digestOf(bytes), size: bytes.length } });
  const reopened = await again();
  const upload = await reopened.resume(ID);
  t.is(upload?.committed, undefined);
  t.is(upload?.offset, 0);
  await finish(reopened, ID);
});

test("bytes that were changed on the disk are found out at the end", async (t) => {
  const { blobs, directory, again } = await openStore(t);
  await interrupted(blobs, { synced: MiB, unsynced: 0 });
  await writeFile(join(directory, "uploads", ID), bytesOf(3, MiB));
  const reopened = await again();
  await throwsCode(t, finish(reopened, ID), "DIGEST_INVALID");
  t.deepEqual(await uploadFiles(directory), []);
});

for (const [what, text] of [
  ["that is no JSON", "{"],
  ["that is empty", ""],
  ["of a later version", '{"version":2}'],
  ["with a wrong algorithm", '{"version":1,"algorithms":["md5"],"boot":"x","synced":0}'],
] as const) {
  test(`an upload with a record ${what} is forgotten`, async (t) => {
    const log = new TestLog();
    const { blobs, directory, again } = await openStore(t, { log });
    await interrupted(blobs, { synced: 100, unsynced: 0 });
    await writeFile(join(directory, "uploads", `${ID}.json`), text);
    const reopened = await again();
    t.is(await reopened.resume(ID), undefined);
    t.deepEqual(await uploadFiles(directory), []);
    t.deepEqual(
      log.warnings.map(({ about }) => about),
      [{ upload: ID }],
    );
  });
}

test("the record is JSON that a person can read", async (t) => {
  const { blobs, directory } = await openStore(t);
  await interrupted(blobs, { synced: 100, unsynced: 5 });
  const { boot, ...record } = JSON.parse(await readFile(join(directory, "uploads", `${ID}.json`), "utf8"));
  t.deepEqual(record, { version: 1, algorithms: ["sha256"], note: { some: "note" }, synced: 100 });
  t.regex(boot, /^[0-9a-f-]{36}$/);
});
