import { PassThrough, type Readable, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import test, { type ExecutionContext } from "ava";
import fc from "fast-check";
import type { BlobHandle, BlobStore } from "../../src/blobs/port.ts";
import { digestOf } from "../../src/core/digest.ts";
import {
  bytesOf,
  collector,
  connection,
  failingSource,
  KiB,
  MiB,
  read,
  readBlob,
  readStream,
  sourceOf,
  stallingSource,
  store,
  throwsCode,
  uploadId,
} from "../blobs/samples.ts";
import { eventually } from "../tools/eventually.ts";
import { testSweeping } from "./blobs-sweeper.ts";

/** What every blob store does, whatever it is made of. `open` is called once a test; the suite closes what it gives. */
export function testBlobs(driver: string, open: (t: ExecutionContext) => Promise<BlobStore>): void {
  const blobs = (title: string, body: (t: ExecutionContext, blobs: BlobStore) => Promise<void>) => {
    test(`${driver}: ${title}`, async (t) => {
      const opened = await open(t);
      await body(t, opened).finally(() => opened.close());
    });
  };
  testReading(blobs);
  testSending(blobs);
  testCommitting(blobs);
  testAppending(blobs);
  testSources(blobs);
  testEnding(blobs);
  testResuming(blobs);
  testSweeping(blobs);
  testClosing(blobs);
}

/** Defines a test that is given an open store. */
export type Define = (title: string, body: (t: ExecutionContext, blobs: BlobStore) => Promise<void>) => void;

// Around what drivers treat differently: nothing, in memory, in one piece, in many.
const SIZES = [0, 1, 64 * KiB, 64 * KiB + 1, MiB, 5 * MiB + 3];

async function opened(blobs: BlobStore, bytes: Buffer): Promise<BlobHandle> {
  const { digest } = await store(blobs, bytes);
  const handle = await blobs.open(digest);
  if (handle === undefined) throw new Error("it has just been stored");
  return handle;
}

function testReading(blobs: Define): void {
  blobs("a blob that was never stored is not there", async (t, blobs) => {
    const digest = digestOf(bytesOf(1, 10));
    t.is(await blobs.stat(digest), undefined);
    t.is(await blobs.open(digest), undefined);
  });

  for (const size of SIZES) {
    blobs(`a blob of ${size} bytes is read as it was stored`, async (t, blobs) => {
      const bytes = bytesOf(2, size);
      const stat = await store(blobs, bytes);
      t.deepEqual(stat, { digest: digestOf(bytes), size });
      t.deepEqual(await blobs.stat(stat.digest), stat);
      const handle = (await blobs.open(stat.digest)) ?? t.fail();
      t.is(handle.digest, stat.digest);
      t.is(handle.size, size);
      t.true((await read(handle)).equals(bytes));
      t.true((await readStream(handle.stream())).equals(bytes));
      t.true(handle.bytes?.equals(bytes) ?? true);
      await handle.close();
    });
  }

  blobs("any span is read as it was stored", async (t, blobs) => {
    for (const size of [1000, 3 * MiB + 17]) {
      const bytes = bytesOf(3, size);
      const handle = await opened(blobs, bytes);
      const span = fc
        .tuple(fc.nat(size), fc.nat(size))
        .map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) }));
      const property = fc.asyncProperty(span, async (span) => {
        const expected = bytes.subarray(span.start, span.end);
        return (
          (await read(handle, span)).equals(expected) &&
          (await readStream(handle.stream(span))).equals(expected)
        );
      });
      await t.notThrowsAsync(async () => fc.assert(property, { numRuns: 25, endOnFailure: true }));
      await handle.close();
    }
  });

  blobs("one handle serves many at once", async (t, blobs) => {
    const bytes = bytesOf(4, 3 * MiB);
    const handle = await opened(blobs, bytes);
    const spans = Array.from({ length: 12 }, (_, i) => ({ start: i * 100 * KiB, end: (i + 13) * 100 * KiB }));
    const parts = await Promise.all(
      spans.map((span, i) => (i % 2 === 0 ? read(handle, span) : readStream(handle.stream(span)))),
    );
    for (const [i, { start, end }] of spans.entries()) t.true(parts[i]?.equals(bytes.subarray(start, end)));
    await handle.close();
  });

  blobs("an open handle stays readable while its blob is replaced", async (t, blobs) => {
    for (const size of [100, 3 * MiB]) {
      const bytes = bytesOf(5, size);
      const handle = await opened(blobs, bytes);
      await store(blobs, bytes);
      t.true((await read(handle)).equals(bytes));
      await handle.close();
    }
  });

  blobs("closing a handle twice is as closing it once", async (t, blobs) => {
    const handle = await opened(blobs, bytesOf(6, 3 * MiB));
    await handle.close();
    await handle.close();
    t.pass();
  });

  blobs("a stream that was begun holds what it needs until it is destroyed", async (t, blobs) => {
    const bytes = bytesOf(7, 3 * MiB);
    const handle = await opened(blobs, bytes);
    const [whole, broken] = [handle.stream(), handle.stream()];
    await handle.close();
    broken.destroy();
    await finished(broken).catch(() => {});
    t.true((await readStream(whole)).equals(bytes));
  });
}

function testSending(blobs: Define): void {
  blobs("sending does not end the stream", async (t, blobs) => {
    const bytes = bytesOf(8, 2 * MiB);
    const handle = await opened(blobs, bytes);
    const { writable, bytes: received } = collector();
    await handle.send(writable, { start: 0, end: 10 });
    await handle.send(writable, { start: MiB, end: 2 * MiB });
    t.false(writable.writableEnded);
    t.true(received().equals(Buffer.concat([bytes.subarray(0, 10), bytes.subarray(MiB)])));
    t.deepEqual([writable.listenerCount("error"), writable.listenerCount("close")], [0, 0]);
    await handle.close();
  });

  blobs("a stream that keeps chunks for later gets bytes that stay as they are", async (t, blobs) => {
    const bytes = bytesOf(9, 5 * MiB);
    const handle = await opened(blobs, bytes);
    const through = new PassThrough({ highWaterMark: 16 * MiB });
    await handle.send(through);
    through.end();
    t.true((await readStream(through)).equals(bytes));
    await handle.close();
  });

  blobs("a connection that is slow gets every byte", async (t, blobs) => {
    const bytes = bytesOf(10, 5 * MiB + 1);
    const handle = await opened(blobs, bytes);
    const { near, far } = await connection(t);
    const received: Buffer[] = [];
    far.on("data", (chunk) => {
      received.push(chunk);
      far.pause();
      setImmediate(() => far.resume());
    });
    await handle.send(near);
    near.end();
    await finished(far, { writable: false });
    t.true(Buffer.concat(received).equals(bytes));
    await handle.close();
  });

  blobs("sending fails when the other side goes away, and leaves the store as it was", async (t, blobs) => {
    const bytes = bytesOf(11, 20 * MiB);
    const handle = await opened(blobs, bytes);
    const { near, far } = await connection(t);
    far.once("data", () => far.destroy());
    await t.throwsAsync(handle.send(near));
    t.true((await read(handle)).equals(bytes));
    await handle.close();
  });

  blobs("sending fails when the stream fails, with its error", async (t, blobs) => {
    for (const size of [100, 3 * MiB]) {
      const handle = await opened(blobs, bytesOf(12, size));
      const writable = new Writable({ write: (_chunk, _encoding, done) => done(new Error("no paper")) });
      await t.throwsAsync(handle.send(writable), { message: "no paper" });
      await handle.close();
    }
  });

  blobs("sending to a stream that is closed fails at once", async (t, blobs) => {
    for (const size of [100, 3 * MiB]) {
      const handle = await opened(blobs, bytesOf(13, size));
      const { writable } = collector();
      writable.destroy();
      await t.throwsAsync(handle.send(writable));
      await handle.close();
    }
  });
}

function testCommitting(blobs: Define): void {
  blobs("a blob is visible when it is committed, not before", async (t, blobs) => {
    const bytes = bytesOf(20, 3 * MiB);
    const upload = await blobs.begin();
    await upload.append(sourceOf(bytes), { at: 0 });
    t.is(await blobs.stat(digestOf(bytes)), undefined);
    t.is(upload.committed, undefined);
    const stat = await upload.commit();
    t.deepEqual(upload.committed, stat);
    t.deepEqual(await blobs.stat(digestOf(bytes)), stat);
  });

  blobs("the first algorithm names the blob", async (t, blobs) => {
    for (const size of [10, 3 * MiB]) {
      const bytes = bytesOf(21, size);
      const stat = await store(blobs, bytes, { algorithms: ["sha512", "sha256"] });
      t.is(stat.digest, digestOf(bytes, "sha512"));
      t.true((await readBlob(blobs, stat.digest)).equals(bytes));
      t.is(await blobs.stat(digestOf(bytes)), undefined);
    }
  });

  blobs(
    "what was expected is compared and names the blob, whatever algorithms were announced",
    async (t, blobs) => {
      for (const size of [0, 10, 3 * MiB]) {
        const bytes = bytesOf(22, size);
        const upload = await blobs.begin();
        await upload.append(sourceOf(bytes), { at: 0 });
        const named = digestOf(bytes, "sha512");
        const digests = [named, digestOf(bytes)];
        t.is((await upload.commit({ digests, size })).digest, named);
        t.true((await readBlob(blobs, named)).equals(bytes));
      }
    },
  );

  blobs("a wrong digest cancels the upload", async (t, blobs) => {
    const [bytes, others] = [bytesOf(23, 100), bytesOf(24, 100)];
    for (const wrong of [digestOf(others), digestOf(others, "sha512")]) {
      const upload = await blobs.begin({ id: uploadId("wrong"), resumable: true });
      await upload.append(sourceOf(bytes), { at: 0 });
      const digests = [digestOf(bytes), wrong];
      const { detail } = await throwsCode(t, upload.commit({ digests }), "DIGEST_INVALID");
      t.like(detail, { expected: wrong });
      await throwsCode(t, upload.commit(), "BLOB_UPLOAD_UNKNOWN");
      t.is(await blobs.resume(uploadId("wrong")), undefined);
      t.is(await blobs.stat(digestOf(bytes)), undefined);
    }
  });

  blobs("a wrong length cancels the upload", async (t, blobs) => {
    const bytes = bytesOf(25, 100);
    const upload = await blobs.begin({ id: uploadId("short"), resumable: true });
    await upload.append(sourceOf(bytes), { at: 0 });
    const { detail } = await throwsCode(t, upload.commit({ size: 101 }), "SIZE_INVALID");
    t.deepEqual(detail, { expected: 101, actual: 100 });
    t.is(await blobs.resume(uploadId("short")), undefined);
    t.is(await blobs.stat(digestOf(bytes)), undefined);
  });

  blobs("a second commit has the same answer", async (t, blobs) => {
    for (const resumable of [true, false]) {
      const upload = await blobs.begin({ resumable });
      await upload.append(sourceOf(bytesOf(26, 10)), { at: 0 });
      t.deepEqual(await upload.commit(), await upload.commit());
    }
  });

  blobs("a committed upload takes nothing more", async (t, blobs) => {
    const upload = await blobs.begin({ resumable: true });
    const { size } = await upload.commit();
    await throwsCode(t, upload.append(sourceOf(bytesOf(27, 10)), { at: size }), "BLOB_UPLOAD_INVALID");
  });

  blobs("the same bytes from sixteen uploads at once are one blob, and all succeed", async (t, blobs) => {
    for (const size of [100, 2 * MiB]) {
      const bytes = bytesOf(28, size);
      const stats = await Promise.all(Array.from({ length: 16 }, () => store(blobs, bytes)));
      for (const stat of stats) t.deepEqual(stat, { digest: digestOf(bytes), size });
      t.true((await readBlob(blobs, digestOf(bytes))).equals(bytes));
    }
  });

  blobs("a blob that is stored again stays there", async (t, blobs) => {
    const bytes = bytesOf(29, 2 * MiB);
    const { digest } = await store(blobs, bytes);
    const wrong = await blobs.begin();
    await wrong.append(sourceOf(bytesOf(30, 10)), { at: 0 });
    await throwsCode(t, wrong.commit({ digests: [digest] }), "DIGEST_INVALID");
    await store(blobs, bytes);
    t.true((await readBlob(blobs, digest)).equals(bytes));
  });
}

function testAppending(blobs: Define): void {
  blobs("parts of any size come together", async (t, blobs) => {
    const parts = fc.array(
      fc.record({ size: fc.nat(200 * KiB), chunk: fc.integer({ min: 100, max: 70 * KiB }) }),
      {
        maxLength: 6,
      },
    );
    let seed = 100;
    const property = fc.asyncProperty(parts, async (parts) => {
      const upload = await blobs.begin();
      const pieces: Buffer[] = [];
      for (const { size, chunk } of parts) {
        seed += 1;
        pieces.push(bytesOf(seed, size));
        await upload.append(sourceOf(bytesOf(seed, size), chunk), { at: upload.offset });
      }
      const bytes = Buffer.concat(pieces);
      const { digest } = await upload.commit();
      return digest === digestOf(bytes) && (await readBlob(blobs, digest)).equals(bytes);
    });
    await t.notThrowsAsync(async () => fc.assert(property, { numRuns: 20, endOnFailure: true }));
  });

  blobs("very many tiny chunks come together", async (t, blobs) => {
    const bytes = bytesOf(31, 40_000);
    const upload = await blobs.begin();
    await upload.append(sourceOf(bytes, 7), { at: 0 });
    t.is((await upload.commit()).digest, digestOf(bytes));
  });

  blobs("one huge chunk is taken", async (t, blobs) => {
    const bytes = bytesOf(32, 20 * MiB);
    const upload = await blobs.begin();
    await upload.append(sourceOf(bytes, bytes.length), { at: 0 });
    t.is((await upload.commit()).digest, digestOf(bytes));
  });

  blobs("a wrong offset is told with the right one, and changes nothing", async (t, blobs) => {
    const bytes = bytesOf(33, 100);
    const upload = await blobs.begin();
    await upload.append(sourceOf(bytes), { at: 0 });
    const source = sourceOf(bytes);
    const { headers, detail } = await throwsCode(t, upload.append(source, { at: 50 }), "OFFSET_MISMATCH");
    t.deepEqual(headers, { "Upload-Offset": "100" });
    t.deepEqual(detail, { expected: 100, provided: 50 });
    t.is(upload.offset, 100);
    t.is((await upload.commit()).digest, digestOf(bytes));
  });

  blobs("a source of just the limit is taken", async (t, blobs) => {
    for (const size of [0, 10, 3 * MiB]) {
      const upload = await blobs.begin();
      t.is(await upload.append(sourceOf(bytesOf(34, size)), { at: 0, limit: size }), size);
      await upload.cancel();
    }
  });

  blobs("of a source that is longer than the limit, as much is taken as is allowed", async (t, blobs) => {
    for (const limit of [0, 10, 2 * MiB + 1]) {
      const upload = await blobs.begin({ resumable: true });
      const bytes = bytesOf(35, 3 * MiB);
      await throwsCode(t, upload.append(sourceOf(bytes), { at: 0, limit }), "SIZE_INVALID");
      t.is(upload.offset, limit);
      t.is((await upload.commit()).digest, digestOf(bytes.subarray(0, limit)));
      await upload.cancel();
    }
  });

  blobs("the head is the first 512 bytes, and nobody else's memory", async (t, blobs) => {
    const bytes = bytesOf(36, 3000);
    const upload = await blobs.begin();
    t.is(upload.head.length, 0);
    const given = Buffer.from(bytes);
    await upload.append(sourceOf(given.subarray(0, 100)), { at: 0 });
    t.true(upload.head.equals(bytes.subarray(0, 100)));
    await upload.append(sourceOf(given.subarray(100), 30), { at: 100 });
    given.fill(0);
    t.true(upload.head.equals(bytes.subarray(0, 512)));
    await upload.cancel();
  });

  blobs("what was given in a buffer stays the giver's", async (t, blobs) => {
    const bytes = bytesOf(37, 3 * MiB);
    const given = Buffer.from(bytes);
    await store(blobs, given);
    t.true(given.equals(bytes));
  });

  blobs("there is one writer at a time", async (t, blobs) => {
    const upload = await blobs.begin({ resumable: true });
    const source = stallingSource(bytesOf(38, 10));
    const first = upload.append(source, { at: 0 });
    await throwsCode(t, upload.append(sourceOf(bytesOf(38, 10)), { at: 0 }), "UNAVAILABLE");
    await throwsCode(t, upload.sync(), "UNAVAILABLE");
    await throwsCode(t, upload.commit(), "UNAVAILABLE");
    source.push(null);
    t.is(await first, 10);
    await upload.cancel();
  });

  blobs("what a slow source has sent counts before it has ended", async (t, blobs) => {
    const upload = await blobs.begin({ resumable: true });
    const source = stallingSource(bytesOf(39, 1000));
    const append = upload.append(source, { at: 0 });
    await eventually(async () => upload.offset === 1000);
    source.push(null);
    t.is(await append, 1000);
    await upload.cancel();
  });
}

function testSources(blobs: Define): void {
  for (const size of [0, 100, 3 * MiB]) {
    blobs(`what arrived of ${size} bytes is kept when the source fails`, async (t, blobs) => {
      const bytes = bytesOf(40, size);
      const upload = await blobs.begin({ resumable: true });
      const error = new Error("connection lost");
      t.is(await t.throwsAsync(upload.append(failingSource(bytes, error), { at: 0 })), error);
      t.is(upload.offset, size);
      const rest = bytesOf(41, 100);
      await upload.append(sourceOf(rest), { at: size });
      t.is((await upload.commit()).digest, digestOf(Buffer.concat([bytes, rest])));
      await upload.cancel();
    });
  }

  blobs("an upload that cannot be resumed is gone when its source fails", async (t, blobs) => {
    const upload = await blobs.begin();
    await t.throwsAsync(upload.append(failingSource(bytesOf(42, 2 * MiB), new Error("lost")), { at: 0 }));
    await throwsCode(t, upload.commit(), "BLOB_UPLOAD_UNKNOWN");
    t.is(await blobs.resume(upload.id), undefined);
    await t.notThrowsAsync(upload.cancel());
  });

  blobs("a source that closes before its end has failed", async (t, blobs) => {
    const upload = await blobs.begin({ resumable: true });
    const source = stallingSource(bytesOf(43, 100));
    source.once("data", () => setImmediate(() => source.destroy()));
    await throwsCode(t, upload.append(source, { at: 0 }), "SIZE_INVALID");
    t.is(upload.offset, 100);
    await upload.cancel();
  });

  blobs("a source that was over before is seen to be", async (t, blobs) => {
    const upload = await blobs.begin({ resumable: true });
    const ended = sourceOf(bytesOf(44, 100)).resume();
    await finished(ended);
    t.is(await upload.append(ended, { at: 0 }), 0);
    const destroyed = sourceOf(bytesOf(44, 100));
    destroyed.destroy();
    await new Promise((resolve) => destroyed.once("close", resolve));
    await throwsCode(t, upload.append(destroyed, { at: 0 }), "SIZE_INVALID");
    const failed = sourceOf(bytesOf(44, 100));
    failed.on("error", () => {}).destroy(new Error("lost before"));
    await new Promise((resolve) => failed.once("close", resolve));
    await t.throwsAsync(upload.append(failed, { at: 0 }), { message: "lost before" });
    t.is(upload.offset, 0);
    await upload.cancel();
  });

  blobs("a source that was paused is read", async (t, blobs) => {
    const upload = await blobs.begin();
    const source = sourceOf(bytesOf(45, 100));
    source.pause();
    t.is(await upload.append(source, { at: 0 }), 100);
    await upload.cancel();
  });

  blobs("a signal ends an append as a failure of the source does", async (t, blobs) => {
    const upload = await blobs.begin({ resumable: true });
    const abort = new AbortController();
    const source = stallingSource(bytesOf(46, 100));
    source.once("data", () => setImmediate(() => abort.abort(new Error("somebody else came"))));
    const append = upload.append(source, { at: 0, signal: abort.signal });
    await t.throwsAsync(append, { message: "somebody else came" });
    t.is(upload.offset, 100);
    const again = upload.append(sourceOf(bytesOf(46, 100)), { at: 100, signal: abort.signal });
    await t.throwsAsync(again, { message: "somebody else came" });
    t.is(upload.offset, 100);
    await upload.cancel();
  });

  blobs("a source that is left is left paused, whole and without listeners", async (t, blobs) => {
    const upload = await blobs.begin({ resumable: true });
    const source = sourceOf(bytesOf(47, 3 * MiB));
    await throwsCode(t, upload.append(source, { at: 0, limit: 10 }), "SIZE_INVALID");
    t.deepEqual(
      ["data", "end", "error", "close"].map((event) => source.listenerCount(event)),
      listenersOf(sourceOf(Buffer.alloc(0))),
    );
    t.true(source.isPaused());
    t.false(source.destroyed);
    source.destroy();
    await upload.cancel();
  });

  blobs("what a source sends while another write runs is neither lost nor mixed up", async (t, blobs) => {
    const bytes = bytesOf(48, 12 * MiB);
    const upload = await blobs.begin();
    const source = new PassThrough();
    const append = upload.append(source, { at: 0 });
    for (let at = 0; at < bytes.length; at += 100_000) {
      if (!source.write(bytes.subarray(at, at + 100_000)))
        await new Promise((resolve) => source.once("drain", resolve));
    }
    source.end();
    await append;
    t.is((await upload.commit()).digest, digestOf(bytes));
  });
}

function listenersOf(source: Readable): number[] {
  return ["data", "end", "error", "close"].map((event) => source.listenerCount(event));
}

function testEnding(blobs: Define): void {
  blobs("cancelling ends a running append and forgets the upload", async (t, blobs) => {
    const upload = await blobs.begin({ id: uploadId("gone"), resumable: true });
    const append = upload.append(stallingSource(bytesOf(50, 100)), { at: 0 });
    const failed = throwsCode(t, append, "UNAVAILABLE");
    await Promise.all([upload.cancel(), upload.cancel()]);
    await failed;
    t.is(await blobs.resume(uploadId("gone")), undefined);
    await throwsCode(t, upload.append(sourceOf(bytesOf(50, 1)), { at: 0 }), "BLOB_UPLOAD_UNKNOWN");
    await throwsCode(t, upload.sync(), "BLOB_UPLOAD_UNKNOWN");
  });

  blobs("cancelling a committed upload leaves its blob", async (t, blobs) => {
    for (const resumable of [true, false]) {
      const upload = await blobs.begin({ resumable });
      await upload.append(sourceOf(bytesOf(51, 100)), { at: 0 });
      const { digest } = await upload.commit();
      await upload.cancel();
      t.true((await readBlob(blobs, digest)).equals(bytesOf(51, 100)));
    }
  });

  blobs("releasing an upload that cannot be resumed cancels it", async (t, blobs) => {
    const upload = await blobs.begin();
    await upload.append(sourceOf(bytesOf(52, 100)), { at: 0 });
    await upload.release();
    t.is(await blobs.resume(upload.id), undefined);
  });

  blobs("releasing ends a running append, and what had arrived can be resumed", async (t, blobs) => {
    const upload = await blobs.begin({ resumable: true });
    const append = upload.append(stallingSource(bytesOf(53, 100)), { at: 0 });
    const failed = throwsCode(t, append, "UNAVAILABLE");
    await eventually(async () => upload.offset === 100);
    await upload.release();
    await failed;
    const resumed = await blobs.resume(upload.id);
    t.is(resumed?.offset, 100);
    await resumed?.cancel();
  });
}

function testResuming(blobs: Define): void {
  blobs("an upload is the same object while it is open", async (t, blobs) => {
    const upload = await blobs.begin({ id: uploadId("a-1"), resumable: true });
    t.is(await blobs.resume(uploadId("a-1")), upload);
    await upload.cancel();
    t.is(await blobs.resume(uploadId("a-1")), undefined);
  });

  blobs("an upload that was released goes on where it stood", async (t, blobs) => {
    for (const size of [0, 100, 3 * MiB]) {
      const [bytes, rest] = [bytesOf(60, size), bytesOf(61, 2 * MiB)];
      const note = { layer: "x", of: [1, null] };
      const id = uploadId(`goes-on-${size}`);
      const upload = await blobs.begin({ id, resumable: true, note, algorithms: ["sha512"] });
      await upload.append(sourceOf(bytes), { at: 0 });
      await upload.release();
      const resumed = (await blobs.resume(id)) ?? t.fail();
      t.is(resumed.offset, size);
      t.deepEqual(resumed.note, note);
      t.true(resumed.head.equals(bytes.subarray(0, 512)));
      t.is(await resumed.sync(), size);
      await resumed.append(sourceOf(rest), { at: size });
      t.is((await resumed.commit()).digest, digestOf(Buffer.concat([bytes, rest]), "sha512"));
      await resumed.cancel();
    }
  });

  blobs("an upload that was released can be committed as it is", async (t, blobs) => {
    const bytes = bytesOf(62, 2 * MiB);
    const upload = await blobs.begin({ resumable: true });
    await upload.append(sourceOf(bytes), { at: 0 });
    await upload.release();
    const stat = await (await blobs.resume(upload.id))?.commit({ digests: [digestOf(bytes)] });
    t.deepEqual(stat, { digest: digestOf(bytes), size: bytes.length });
  });

  blobs("releasing and resuming at the same time gives an upload that works", async (t, blobs) => {
    const upload = await blobs.begin({ resumable: true });
    const source = stallingSource(bytesOf(63, 100));
    const append = throwsCode(t, upload.append(source, { at: 0 }), "UNAVAILABLE");
    await new Promise((resolve) => source.once("data", resolve));
    const [, first, second] = await Promise.all([
      upload.release(),
      blobs.resume(upload.id),
      blobs.resume(upload.id),
      append,
    ]);
    t.truthy(first);
    t.is(first, second);
    t.is(await first?.append(sourceOf(bytesOf(64, 10)), { at: 100 }), 110);
    await first?.cancel();
  });

  blobs("an amended note is the one that comes back", async (t, blobs) => {
    const upload = await blobs.begin({ resumable: true, note: { size: 1 } });
    await upload.amend({ size: 2 });
    t.deepEqual(upload.note, { size: 2 });
    await upload.release();
    const resumed = (await blobs.resume(upload.id)) ?? t.fail();
    t.deepEqual(resumed.note, { size: 2 });
    await resumed.cancel();
    await t.throwsAsync(resumed.amend({ size: 3 }), { code: "BLOB_UPLOAD_UNKNOWN" });
  });

  blobs("a committed upload is remembered until it is cancelled", async (t, blobs) => {
    const bytes = bytesOf(65, 3000);
    const upload = await blobs.begin({ resumable: true, note: "mine" });
    await upload.append(sourceOf(bytes), { at: 0 });
    const stat = await upload.commit();
    await upload.release();
    const resumed = (await blobs.resume(upload.id)) ?? t.fail();
    t.deepEqual(resumed.committed, stat);
    t.is(resumed.offset, 3000);
    t.is(resumed.note, "mine");
    t.true(resumed.head.equals(bytes.subarray(0, 512)));
    t.deepEqual(await resumed.commit(), stat);
    t.is(await resumed.sync(), 3000);
    await resumed.cancel();
    t.is(await blobs.resume(upload.id), undefined);
    t.true((await readBlob(blobs, stat.digest)).equals(bytes));
  });

  blobs("beginning an id again replaces the older upload, also a released one", async (t, blobs) => {
    const id = uploadId("again");
    const first = await blobs.begin({ id, resumable: true, note: 1 });
    const append = throwsCode(t, first.append(stallingSource(bytesOf(66, 100)), { at: 0 }), "UNAVAILABLE");
    const second = await blobs.begin({ id, resumable: true, note: 2 });
    await append;
    await throwsCode(t, first.commit(), "BLOB_UPLOAD_UNKNOWN");
    await second.append(sourceOf(bytesOf(67, 10)), { at: 0 });
    await first.cancel();
    await second.release();
    const third = await blobs.begin({ id, resumable: true, note: 3 });
    t.is(third.offset, 0);
    t.is(await blobs.resume(id), third);
    t.is((await third.commit()).size, 0);
    await third.cancel();
  });

  blobs("ids that are none are refused", async (t, blobs) => {
    for (const text of ["", "A", "../x", "a/b", "a.json", "a\0", "x".repeat(65)]) {
      t.is(await blobs.resume(uploadId(text)), undefined);
      await throwsCode(t, blobs.begin({ id: uploadId(text), resumable: true }), "BLOB_UPLOAD_INVALID");
    }
  });

  blobs("every upload that can be resumed is listed, with the time of its last change", async (t, blobs) => {
    const before = Date.now() - 2000;
    const open = await blobs.begin({ id: uploadId("open"), resumable: true });
    const released = await blobs.begin({ id: uploadId("released"), resumable: true });
    await released.append(sourceOf(bytesOf(68, 100)), { at: 0 });
    await released.release();
    const plain = await blobs.begin();
    await plain.append(sourceOf(bytesOf(69, 100)), { at: 0 });
    const listed = await Array.fromAsync(blobs.uploads());
    t.deepEqual(listed.map(({ id }) => String(id)).sort(), ["open", "released"]);
    for (const { touchedAt } of listed)
      t.true(touchedAt.getTime() > before && touchedAt.getTime() <= Date.now() + 2000);
    await open.cancel();
    t.deepEqual(
      (await Array.fromAsync(blobs.uploads())).map(({ id }) => String(id)),
      ["released"],
    );
  });

  blobs("an upload expires that has not been touched since a time", async (t, blobs) => {
    const [before, after] = [new Date(Date.now() - 60_000), new Date(Date.now() + 60_000)];
    for (const id of [uploadId("open"), uploadId("released")]) {
      const upload = await blobs.begin({ id, resumable: true });
      await upload.append(sourceOf(bytesOf(71, 100)), { at: 0 });
      await upload.sync();
      if (id === "released") await upload.release();
      t.false(await blobs.expire(id, before));
      t.is((await blobs.resume(id))?.offset, 100);
      t.true(await blobs.expire(id, after));
      t.is(await blobs.resume(id), undefined);
      t.false(await blobs.expire(id, after));
    }
    t.deepEqual(await Array.fromAsync(blobs.uploads()), []);
  });
}

function testClosing(blobs: Define): void {
  blobs("closing ends running appends, and is idempotent", async (t, blobs) => {
    const upload = await blobs.begin();
    const append = throwsCode(
      t,
      upload.append(stallingSource(bytesOf(70, 2 * MiB)), { at: 0 }),
      "UNAVAILABLE",
    );
    await Promise.all([blobs.close(), blobs.close()]);
    await append;
  });

  blobs("a closed store answers nothing", async (t, blobs) => {
    const { digest } = await store(blobs, bytesOf(71, 10));
    await blobs.open(digest);
    await blobs.close();
    await throwsCode(t, blobs.begin(), "UNAVAILABLE");
    await throwsCode(t, blobs.resume(uploadId("a")), "UNAVAILABLE");
    await throwsCode(t, blobs.stat(digest), "UNAVAILABLE");
    await throwsCode(t, blobs.open(digest), "UNAVAILABLE");
  });
}
