import { once } from "node:events";
import { rm, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import test from "ava";
import pg from "pg";
import type { BlobStore } from "../../src/blobs/port.ts";
import { Bucket } from "../../src/blobs/s3/bucket.ts";
import { createClients } from "../../src/blobs/s3/client.ts";
import { S3StoreError } from "../../src/blobs/s3/errors.ts";
import { createPostgresCatalog } from "../../src/blobs/s3/postgres-catalog.ts";
import { openS3Blobs, type S3StoreOptions } from "../../src/blobs/s3/store.ts";
import { digestOf, hexOf } from "../../src/core/digest.ts";
import { TABLES } from "../../src/postgres/migrations/0006-blob-catalog.ts";
import { freePort } from "../tools/ports.ts";
import { Postgres } from "../tools/postgres.ts";
import { S3Server, s3 } from "../tools/s3.ts";
import { requireTool } from "../tools/tools.ts";
import { s3Place, testS3 } from "./s3-samples.ts";
import {
  bytesOf,
  collector,
  MiB,
  read,
  readBlob,
  readStream,
  sourceOf,
  stallingSource,
  store,
  TestLog,
  throwsCode,
  uploadId,
} from "./samples.ts";

const ID = uploadId("the-upload");
const HOUR = 3_600_000;

testS3("a store that cannot be used says why in one sentence", async (t, { options, pool }) => {
  const { url } = await s3();
  const nowhere = `http://127.0.0.1:${await freePort()}`;
  const wrong = (more: Partial<S3StoreOptions>) => openS3Blobs({ ...options, ...more });
  const says = async (opening: Promise<unknown>, message: string) => {
    await t.throwsAsync(opening, { instanceOf: S3StoreError, message });
  };
  await says(
    wrong({ bucket: "no-such-bucket" }),
    `the bucket no-such-bucket at ${url} cannot be used: there is no such bucket: create it first`,
  );
  await says(
    wrong({ endpoint: nowhere }),
    `the bucket ${options.bucket} at ${nowhere} cannot be used: nothing answers there: start it, or correct s3Endpoint`,
  );
  const away = new pg.Pool({ host: "127.0.0.1", port: Number(new URL(nowhere).port) });
  t.teardown(() => away.end());
  await t.throwsAsync(wrong({ catalog: createPostgresCatalog(away) }), {
    instanceOf: S3StoreError,
    message: /^the catalog of blobs in PostgreSQL cannot be used: .*ECONNREFUSED/,
  });
  await pool.query("alter table blob_parts rename to parts");
  await says(wrong({}), "the catalog of blobs in PostgreSQL cannot be used: its tables are not there");
});

test.serial(
  "a bucket that cannot be written is refused, and so are wrong credentials, which nobody is shown",
  async (t) => {
    if (!requireTool(t, "versitygw")) return;
    const { options } = await s3Place(t);
    const server = await S3Server.start();
    t.teardown(() => server.remove());
    const { url: endpoint } = server;
    const bucket = server.bucket();
    await server.stop();
    await server.start(["--readonly"]);
    await t.throwsAsync(openS3Blobs({ ...options, endpoint, bucket }), {
      instanceOf: S3StoreError,
      message: `the bucket ${bucket} at ${endpoint} cannot be written: permission denied: docs/s3.md has the rights that are needed`,
    });
    const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = process.env;
    t.teardown(() => Object.assign(process.env, { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY }));
    for (const [key, secret] of [
      ["another", "secret-of-another"],
      [AWS_ACCESS_KEY_ID, "secret-of-another"],
    ]) {
      Object.assign(process.env, { AWS_ACCESS_KEY_ID: key, AWS_SECRET_ACCESS_KEY: secret });
      const error = await t.throwsAsync(openS3Blobs({ ...options, endpoint, bucket }), {
        instanceOf: S3StoreError,
      });
      t.is(
        error.message,
        `the bucket ${bucket} at ${endpoint} cannot be used: the credentials are not accepted: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY may have others`,
      );
      const { cause } = error;
      const logged = JSON.stringify([cause, String(cause), Object.entries(cause as Error)]);
      t.false(logged.includes(String(key)) || logged.includes(String(secret)), logged);
    }
  },
);

test.serial("while S3 is away everything is UNAVAILABLE, and then it is there again", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const place = await s3Place(t);
  const server = await S3Server.start();
  t.teardown(() => server.remove());
  const blobs = await place.open({ endpoint: server.url, bucket: server.bucket() });
  const bytes = bytesOf(1, 30 * MiB);
  const [small, large] = [await store(blobs, bytesOf(2, 100)), await store(blobs, bytesOf(3, 20 * MiB))];
  t.true((await readBlob(blobs, small.digest)).equals(bytesOf(2, 100)));
  const other = await store(blobs, bytesOf(4, 100));
  const upload = await blobs.begin({ id: ID, resumable: true });
  await upload.append(sourceOf(bytes.subarray(0, 10 * MiB)), { at: 0 });
  await upload.sync();

  await server.stop();
  for (const size of [0, 100, 9 * MiB]) await throwsCode(t, store(blobs, bytesOf(5, size)), "UNAVAILABLE");
  await throwsCode(t, blobs.open(other.digest), "UNAVAILABLE");
  await throwsCode(t, blobs.open(large.digest), "UNAVAILABLE");
  t.true((await readBlob(blobs, small.digest)).equals(bytesOf(2, 100)));
  await throwsCode(t, appendAndSync(blobs, bytes), "UNAVAILABLE");

  await server.start();
  t.is(await (await blobs.resume(ID))?.sync(), 10 * MiB);
  await appendAndSync(blobs, bytes);
  const { digest } = (await (await blobs.resume(ID))?.commit()) ?? t.fail();
  t.true((await readBlob(blobs, digest)).equals(bytes));
  t.true((await readBlob(blobs, large.digest)).equals(bytesOf(3, 20 * MiB)));
  t.deepEqual((await store(blobs, bytesOf(5, 9 * MiB))).size, 9 * MiB);
});

test.serial(
  "a bucket that could not take an upload is not asked again before its client is told",
  async (t) => {
    if (!requireTool(t, "versitygw")) return;
    const place = await s3Place(t);
    const server = await S3Server.start();
    t.teardown(() => server.remove());
    const blobs = await place.open({ endpoint: server.url, bucket: server.bucket() });
    await server.stop();
    const asked = new Set<string>();
    const broken = createServer((socket) => {
      socket
        .on("error", () => undefined)
        .once("data", (head) => {
          asked.add(String(head).split(" ")[0] ?? "");
          socket.destroy();
        });
    }).listen(server.port, "127.0.0.1");
    t.teardown(() => broken.close());
    await once(broken, "listening");
    await throwsCode(t, store(blobs, bytesOf(1, 100)), "UNAVAILABLE");
    t.deepEqual([...asked], ["PUT"]);
    await throwsCode(t, store(blobs, bytesOf(1, 9 * MiB)), "UNAVAILABLE");
    t.deepEqual([...asked], ["PUT", "POST"]);
    t.deepEqual(await place.rows("select distinct state from blob_objects"), [{ state: "garbage" }]);
  },
);

async function appendAndSync(blobs: BlobStore, bytes: Buffer): Promise<void> {
  const upload = await blobs.resume(ID);
  if (upload === undefined) throw new Error("the upload is gone");
  await upload.append(sourceOf(bytes.subarray(upload.offset)), { at: upload.offset });
  await upload.sync();
}

test.serial("S3 may go away in the middle of an upload and of a download", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const place = await s3Place(t);
  const server = await S3Server.start();
  t.teardown(() => server.remove());
  const blobs = await place.open({ endpoint: server.url, bucket: server.bucket() });
  const bytes = bytesOf(1, 60 * MiB);
  const { digest } = await store(blobs, bytes);
  const handle = (await blobs.open(digest)) ?? t.fail();
  const upload = await blobs.begin({ id: ID, resumable: true });

  const stalled = stallingSource(bytes.subarray(0, 100));
  const append = upload.append(stalled, { at: 0 });
  const stream = handle.stream();
  const broken = t.throwsAsync(
    (async () => {
      for await (const _ of stream) if (server.running) await server.stop();
    })(),
  );
  await broken;
  stalled.push(bytes.subarray(100));
  stalled.push(null);
  await throwsCode(t, append, "UNAVAILABLE");
  await throwsCode(t, handle.send(collector().writable), "UNAVAILABLE");

  await server.start();
  t.true((await read(handle)).equals(bytes));
  t.is((await blobs.resume(ID))?.offset, 0);
  await appendAndSync(blobs, bytes);
  t.deepEqual(await (await blobs.resume(ID))?.commit(), { digest, size: bytes.length });
});

test.serial("a download goes on where it was when its connection breaks", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const place = await s3Place(t);
  const server = await S3Server.start();
  t.teardown(() => server.remove());
  const blobs = await place.open({ endpoint: server.url, bucket: server.bucket() });
  const bytes = bytesOf(1, 40 * MiB);
  const { digest } = await store(blobs, bytes);
  const handle = (await blobs.open(digest)) ?? t.fail();
  const received: Buffer[] = [];
  for await (const chunk of handle.stream({ start: 5, end: bytes.length })) {
    received.push(chunk);
    if (received.length % 200 !== 1) continue;
    await server.stop();
    await server.start();
  }
  t.true(Buffer.concat(received).equals(bytes.subarray(5)));
});

test.serial("while PostgreSQL is away everything is UNAVAILABLE, and then it is there again", async (t) => {
  if (!requireTool(t, "versitygw")) return;
  const { options } = await s3Place(t);
  const server = await Postgres.start();
  t.teardown(() => server.remove());
  const pool = new pg.Pool({ connectionString: await server.database() });
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  t.teardown(() => pool.end());
  await pool.query(TABLES.join(";\n"));
  const blobs = await openS3Blobs({ ...options, catalog: createPostgresCatalog(pool) });
  t.teardown(() => blobs.close());
  const bytes = bytesOf(1, 30 * MiB);
  const { digest } = await store(blobs, bytesOf(2, 100));
  const upload = await blobs.begin({ id: ID, resumable: true });
  await upload.append(sourceOf(bytes.subarray(0, 10 * MiB)), { at: 0 });
  await upload.sync();

  await server.stop();
  for (const size of [0, 9 * MiB]) await throwsCode(t, store(blobs, bytesOf(5, size)), "UNAVAILABLE");
  await throwsCode(t, blobs.stat(digest), "UNAVAILABLE");
  await throwsCode(t, blobs.open(digest), "UNAVAILABLE");
  await throwsCode(t, upload.append(sourceOf(bytes), { at: 10 * MiB }), "UNAVAILABLE");
  await throwsCode(t, upload.commit(), "UNAVAILABLE");
  await throwsCode(t, blobs.discard(digest), "UNAVAILABLE");

  await server.start();
  t.is((await blobs.stat(digest))?.size, 100);
  t.is(await upload.sync(), 10 * MiB);
  await appendAndSync(blobs, bytes);
  t.is((await upload.commit()).digest, digestOf(bytes));
});

testS3("a client that goes away ends the download", async (t, place) => {
  const blobs = await place.open();
  const { digest } = await store(blobs, bytesOf(1, 20 * MiB));
  const handle = (await blobs.open(digest)) ?? t.fail();
  const { writable } = collector();
  const sending = handle.send(writable);
  setImmediate(() => writable.destroy(new Error("gone")));
  await t.throwsAsync(sending, { message: "gone" });
  const stream = handle.stream();
  stream.once("data", () => stream.destroy());
  await new Promise((resolve) => stream.once("close", resolve));
  t.true((await read(handle)).equals(bytesOf(1, 20 * MiB)));
});

for (const size of [100, 2 * MiB]) {
  testS3(
    `a blob of ${size} bytes whose object is gone is not there, until it is stored again`,
    async (t, place) => {
      const { digest } = await store(await place.open(), bytesOf(1, size));
      const log = new TestLog();
      const blobs = await place.open({ log });
      const [key = ""] = await place.keys();
      await rm(join(place.directory, key));
      t.is(await blobs.open(digest), undefined);
      t.is(await blobs.stat(digest), undefined);
      t.is(await blobs.inspect(digest), undefined);
      t.deepEqual(
        log.warnings.map(({ about }) => about),
        [{ digest, key }],
      );
      await store(blobs, bytesOf(1, size));
      t.true((await readBlob(blobs, digest)).equals(bytesOf(1, size)));
    },
  );
}

testS3(
  "a small blob with wrong bytes, and a large one that is too short, are not served",
  async (t, place) => {
    const [first, blobs] = [await place.open(), await place.open()];
    const small = await store(first, bytesOf(1, 100));
    const [key = ""] = await place.keys();
    await writeFile(join(place.directory, key), bytesOf(2, 100));
    const large = await store(first, bytesOf(3, 2 * MiB));
    const other = (await place.keys()).find((one) => one !== key) ?? t.fail();
    await truncate(join(place.directory, other), MiB);
    for (const { digest } of [small, large]) {
      t.is(await blobs.open(digest), undefined);
      t.is(await blobs.stat(digest), undefined);
    }
  },
);

testS3(
  "rotten bytes are seen by an inspection, and go into quarantine, which no sweep empties",
  async (t, place) => {
    const blobs = await place.open();
    const bytes = bytesOf(1, 2 * MiB);
    const rotten = bytesOf(2, 2 * MiB);
    const { digest } = await store(blobs, bytes);
    const [key = ""] = await place.keys();
    await writeFile(join(place.directory, key), rotten);
    const { handle, quarantine } = (await blobs.inspect(digest)) ?? t.fail();
    t.true((await readStream(handle.stream())).equals(rotten));
    t.truthy(await quarantine());
    t.is(await blobs.open(digest), undefined);
    await store(blobs, bytes);
    t.true((await readBlob(blobs, digest)).equals(bytes));
    t.is((await blobs.sweepOrphans(new Date(Date.now() + 366 * 24 * HOUR))).garbage, 0);
    t.true((await place.keys()).includes(key));
    await blobs.dispose(digest);
    t.is((await blobs.sweepOrphans(new Date(Date.now() + HOUR))).garbage, 1);
    t.false((await place.keys()).includes(key));
    t.true((await readBlob(blobs, digest)).equals(bytes));
  },
);

testS3("bytes that change on their way are refused by S3", async (t, { options, keys }) => {
  const bucket = new Bucket(options.bucket, createClients(options));
  t.teardown(() => bucket.close());
  const bytes = bytesOf(1, 100);
  const wrong = { bytes, sha256: hexOf(digestOf(bytesOf(2, 100))) };
  await throwsCode(t, bucket.put("blobs/a", wrong), "UNAVAILABLE");
  const multipart = await bucket.createMultipart("blobs/b");
  await throwsCode(t, bucket.putPart("blobs/b", multipart, 1, wrong), "UNAVAILABLE");
  const part = await bucket.putPart("blobs/b", multipart, 7, { bytes, sha256: hexOf(digestOf(bytes)) });
  await throwsCode(t, bucket.complete("blobs/b", multipart, [{ ...part, etag: '"0"' }]), "UNAVAILABLE");
  t.deepEqual(await keys(), []);
  await bucket.complete("blobs/b", multipart, [part]);
  t.is(await bucket.size("blobs/b"), 100);
});
