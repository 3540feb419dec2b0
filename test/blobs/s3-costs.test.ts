import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import type { BlobUpload } from "../../src/blobs/port.ts";
import { temporaryDirectory } from "../index/samples.ts";
import { eventually } from "../tools/eventually.ts";
import { S3Server } from "../tools/s3.ts";
import { requireTool } from "../tools/tools.ts";
import { s3Place } from "./s3-samples.ts";
import { bytesOf, MiB, readBlob, sourceOf, store } from "./samples.ts";

test("every operation makes as many requests of S3 as docs/s3.md says", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const log = join(await temporaryDirectory(t), "access.log");
  await writeFile(log, "");
  const server = await S3Server.start(["--access-log", log]);
  t.teardown(() => server.remove());
  const place = await s3Place(t);
  const where = { endpoint: server.url, bucket: server.bucket() };
  const [blobs, another] = [await place.open(where), await place.open(where)];
  const requests = async () =>
    [...(await readFile(log, "utf8")).matchAll(/ s3_(\w+) /g)].map(([, name = ""]) => name);
  let seen = (await requests()).length;
  const costs = async (what: string, work: () => Promise<unknown>, expected: readonly string[]) => {
    await work();
    await eventually(async () => (await requests()).length >= seen + expected.length);
    const made = (await requests()).slice(seen);
    t.deepEqual(made.sort(), [...expected].sort(), what);
    seen += made.length;
  };

  const [small, large] = [bytesOf(1, 100), bytesOf(2, 20 * MiB)];
  const multipart = [
    "CreateMultipartUpload",
    "UploadPart",
    "UploadPart",
    "UploadPart",
    "CompleteMultipartUpload",
  ];
  await costs("a small blob", () => store(blobs, small), ["PutObject"]);
  await costs("a large blob", () => store(blobs, large), multipart);

  const { digest } = await store(blobs, small);
  const { digest: other } = await store(blobs, bytesOf(3, MiB));
  seen += 2;
  await costs("whether a blob is there", () => blobs.stat(digest), []);
  await costs("a small blob, for the first time", () => readBlob(blobs, digest), ["GetObject"]);
  await costs("a small blob, again", () => readBlob(blobs, digest), []);
  await costs("a large blob, for the first time", () => readBlob(blobs, other), ["GetObject", "GetObject"]);
  await costs("a large blob, again", () => readBlob(blobs, other), ["GetObject"]);
  await costs("a URL", () => blobs.presign(digest, { expiresIn: 60 }), []);
  await costs(
    "discarding, restoring",
    async () => (await blobs.discard(other)) && (await blobs.restore(other)),
    [],
  );

  const begin = async (bytes: Buffer) => {
    const upload = await blobs.begin({ resumable: true });
    await upload.append(sourceOf(bytes), { at: 0 });
    return upload;
  };
  const upload: { current?: BlobUpload } = {};
  const commit = async () => await upload.current?.commit();
  const keep = async (bytes: Buffer) => {
    upload.current = await begin(bytes);
    await upload.current.sync();
  };
  await costs("a small resumable upload", () => keep(bytesOf(4, 3 * MiB)), ["PutObject"]);
  await costs("its end", commit, []);
  await costs("a large resumable upload", () => keep(bytesOf(5, 20 * MiB)), [
    ...multipart.slice(0, 3),
    "PutObject",
  ]);
  await costs("its end", commit, ["UploadPart", "CompleteMultipartUpload", "DeleteObject"]);

  const resumed = async () => (await another.resume(upload.current?.id ?? t.fail())) ?? t.fail();
  const end = ["GetObject", "UploadPart", "CompleteMultipartUpload", "DeleteObject"];
  await keep(bytesOf(6, 20 * MiB));
  seen += 4;
  await costs("its end on another server", async () => await (await resumed()).commit(), end);
  await keep(bytesOf(7, 20 * MiB));
  seen += 4;
  const goOn = async () => {
    const there = await resumed();
    await there.append(sourceOf(bytesOf(8, 100)), { at: there.offset });
    await there.commit();
  };
  await costs("its end on another server, with more bytes", goOn, [...end, "GetObject"]);
});
