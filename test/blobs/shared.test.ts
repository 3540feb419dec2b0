import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, renameSync } from "node:fs";
import { mkdir, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import test, { type ExecutionContext } from "ava";
import type { BlobStore, BlobUpload } from "../../src/blobs/port.ts";
import { fileScrubNotes } from "../../src/blobs/scrub-note.ts";
import { digestOf } from "../../src/core/digest.ts";
import { isLayerdError } from "../../src/core/errors.ts";
import { testBlobs } from "../suites/blobs.ts";
import { eventually } from "../tools/eventually.ts";
import { injectFault } from "./faulty-fs.ts";
import {
  bytesOf,
  KiB,
  MiB,
  readBlob,
  sourceOf,
  stallingSource,
  store,
  throwsCode,
  uploadFiles,
  uploadId,
} from "./samples.ts";
import { type SharedPlace, sharedPlace, testShared } from "./shared-samples.ts";

const ID = uploadId("the-upload");
const bytes = bytesOf(1, 20 * MiB + 1);

testBlobs("shared files", async (t) => await (await sharedPlace(t)).open());

async function begun(blobs: BlobStore, length: number): Promise<BlobUpload> {
  const upload = await blobs.begin({ id: ID, resumable: true, note: { some: "note" } });
  if (length > 0) await upload.append(sourceOf(bytes.subarray(0, length)), { at: 0 });
  return upload;
}

/** Goes on to the end, wherever it stands. */
async function finish(t: ExecutionContext, blobs: BlobStore, content = bytes): Promise<void> {
  const upload = (await blobs.resume(ID)) ?? t.fail();
  await upload.append(sourceOf(content.subarray(upload.offset)), { at: upload.offset });
  t.is((await upload.commit({ digests: [digestOf(content)] })).size, content.length);
  await upload.cancel();
}

/** Nothing is left of uploads, and the blob is whole for everybody. */
async function onlyTheBlob(
  t: ExecutionContext,
  { directory }: SharedPlace,
  stores: readonly BlobStore[],
): Promise<void> {
  for (const blobs of stores) t.true((await readBlob(blobs, digestOf(bytes))).equals(bytes));
  t.deepEqual(await uploadFiles(directory), []);
}

for (const durability of ["full", "os"] as const) {
  for (const length of [0, 100, 3 * MiB, 20 * MiB + 1]) {
    testShared(
      `an upload of ${length} bytes goes on in another process (${durability})`,
      async (t, place) => {
        const [first, second] = [await place.open({ durability }), await place.open({ durability })];
        const upload = await begun(first, length);
        const resumed = (await second.resume(ID)) ?? t.fail();
        t.is(resumed.offset, length);
        t.deepEqual(resumed.note, { some: "note" });
        t.true(resumed.head.equals(bytes.subarray(0, Math.min(length, 512))));
        await throwsCode(t, upload.append(sourceOf(bytes), { at: length }), "UNAVAILABLE");
        await finish(t, second);
        t.is(await first.resume(ID), undefined);
        await onlyTheBlob(t, place, [first, second]);
      },
    );
  }
}

testShared("a transfer that is running makes way, and what it had taken stays", async (t, place) => {
  const [first, second] = [await place.open(), await place.open()];
  const upload = await begun(first, 0);
  const append = upload.append(stallingSource(bytes.subarray(0, 5 * MiB)), { at: 0 });
  await eventually(async () => upload.offset === 5 * MiB);
  const ended = throwsCode(t, append, "UNAVAILABLE");
  t.is((await second.resume(ID))?.offset, 5 * MiB);
  await ended;
  await finish(t, second);
  await onlyTheBlob(t, place, [first, second]);
});

testShared("an upload that was let go of goes on in the same file", async (t, place) => {
  const [first, second] = [await place.open(), await place.open()];
  await begun(first, 3 * MiB);
  await second.resume(ID);
  const files = await uploadFiles(place.directory);
  t.is(files.length, 2);
  for (let at = 3 * MiB; at < 3 * MiB + 1000; at += 100) {
    const upload = (await (at % 200 === 0 ? first : second).resume(ID)) ?? t.fail();
    await upload.append(sourceOf(bytes.subarray(at, at + 100)), { at });
    t.is(await upload.sync(), at + 100);
  }
  t.deepEqual(await uploadFiles(place.directory), files);
  await finish(t, first);
  await onlyTheBlob(t, place, [first, second]);
});

testShared("what another machine has taken counts as far as it was handed over", async (t, place) => {
  const [first, second] = [await place.open({ durability: "os" }), await place.open({ durability: "os" })];
  const upload = await begun(first, 3 * MiB);
  await upload.release();
  const path = join(place.directory, "uploads", `${ID}.json`);
  const record = JSON.parse(await readFile(path, "utf8"));
  t.is(record.synced, 3 * MiB);
  await writeFile(path, JSON.stringify({ ...record, boot: "another" }));
  t.is((await second.resume(ID))?.offset, 3 * MiB);
  await finish(t, second);
});

testShared(
  "of two that write at the same time, each makes way, and bytes are never mixed",
  async (t, place) => {
    const stores = [await place.open(), await place.open()];
    await begun(stores[0] ?? t.fail(), 0);
    let handed = 0;
    const client = async (blobs: BlobStore, piece: number) => {
      for (;;) {
        const upload = (await blobs.resume(ID)) ?? t.fail();
        const { offset } = upload;
        if (offset >= bytes.length) return;
        try {
          await upload.append(sourceOf(bytes.subarray(offset, offset + piece)), { at: offset });
          await upload.sync();
        } catch (error) {
          handed += 1;
          if (!isLayerdError(error, "UNAVAILABLE") && !isLayerdError(error, "OFFSET_MISMATCH")) throw error;
        }
      }
    };
    await Promise.all(stores.map((blobs, i) => client(blobs, i === 0 ? 3 * MiB : 700 * KiB)));
    t.log(`${handed} times it was handed over in the middle`);
    await finish(t, stores[1] ?? t.fail());
    await onlyTheBlob(t, place, stores);
  },
);

testShared("an upload that another process has begun anew is the new one", async (t, place) => {
  const [first, second] = [await place.open(), await place.open()];
  const older = await begun(first, 2 * MiB);
  await second.begin({ id: ID, resumable: true });
  await throwsCode(t, older.append(sourceOf(bytes), { at: 2 * MiB }), "UNAVAILABLE");
  t.is((await first.resume(ID))?.offset, 0);
  await finish(t, first);
  await onlyTheBlob(t, place, [first, second]);
});

testShared("an upload that another process has cancelled is gone", async (t, place) => {
  const [first, second] = [await place.open(), await place.open()];
  await begun(first, 2 * MiB);
  await (await second.resume(ID))?.cancel();
  t.is(await first.resume(ID), undefined);
  t.deepEqual(await uploadFiles(place.directory), []);
});

testShared("an upload that another process has committed is", async (t, place) => {
  const [first, second] = [await place.open(), await place.open()];
  await begun(first, 2 * MiB);
  const stat = await (await second.resume(ID))?.commit();
  const late = (await first.resume(ID)) ?? t.fail();
  t.deepEqual(late.committed, stat);
  t.deepEqual(
    (await Array.fromAsync(first.uploads())).map(({ becoming }) => becoming),
    [stat?.digest],
  );
  await late.cancel();
  t.deepEqual(await uploadFiles(place.directory), []);
});

testShared("who loses the connection to the database stops, and another goes on", async (t, place) => {
  const [first, second] = [await place.open(), await place.open()];
  const upload = await begun(first, 0);
  const append = upload.append(stallingSource(bytes.subarray(0, 5 * MiB)), { at: 0 });
  await eventually(async () => upload.offset === 5 * MiB);
  const ended = throwsCode(t, append, "UNAVAILABLE");
  await place.cut(`upload ${ID}`);
  await ended;
  await throwsCode(t, upload.sync(), "UNAVAILABLE");
  t.is((await second.resume(ID))?.offset, 5 * MiB);
  await finish(t, second);
  await onlyTheBlob(t, place, [first, second]);
});

/** A process that appends zeros. Killed with the test. */
function uploader(t: ExecutionContext, { directory, database, prefix }: SharedPlace) {
  const script = join(import.meta.dirname, "shared-uploader.ts");
  const child = spawn(process.execPath, [script, directory, database, prefix, ID], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.teardown(() => child.kill("SIGKILL"));
  return { child, lines: createInterface({ input: child.stdout }) };
}

/** Resolves with the last megabyte that was told. */
async function told(lines: Interface, atLeast: number): Promise<number> {
  for (;;) {
    const [line] = await once(lines, "line");
    if (Number(line) >= atLeast) return Number(line);
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

testShared("a process that is killed in the middle of a write has lost nothing", async (t, place) => {
  const { child, lines } = uploader(t, place);
  const counted = await told(lines, 20 * MiB);
  child.kill("SIGKILL");
  await ended(child);
  const blobs = await place.open();
  const upload = (await blobs.resume(ID)) ?? t.fail();
  t.true(upload.offset >= counted, `${upload.offset} of ${counted}`);
  const size = upload.offset + 5;
  await upload.append(sourceOf(Buffer.alloc(5)), { at: upload.offset });
  t.is((await upload.commit()).digest, digestOf(Buffer.alloc(size)));
  await upload.cancel();
  t.deepEqual(await uploadFiles(place.directory), []);
});

testShared("what a process that was killed has left expires without taking space", async (t, place) => {
  const { child, lines } = uploader(t, place);
  await told(lines, 20 * MiB);
  child.kill("SIGKILL");
  await ended(child);
  const blobs = await place.open({ minFree: Number.MAX_SAFE_INTEGER });
  await throwsCode(t, blobs.resume(ID), "STORE_FULL");
  t.true(await blobs.expire(ID, new Date(Date.now() + 60_000)));
  t.deepEqual(await uploadFiles(place.directory), []);
});

testShared("one that was taken for dead and wakes up does no harm", async (t, place) => {
  const { child, lines } = uploader(t, place);
  await told(lines, 10 * MiB);
  child.kill("SIGSTOP");
  await place.cut(`upload ${ID}`);
  const blobs = await place.open();
  const upload = (await blobs.resume(ID)) ?? t.fail();
  const zeros = Buffer.alloc(upload.offset);
  // Where it would write on, if it did.
  const rest = bytes.subarray(0, 8 * MiB);
  await upload.append(sourceOf(rest), { at: upload.offset });
  child.kill("SIGCONT");
  await ended(child);
  t.is(await upload.sync(), zeros.length + rest.length);
  const whole = Buffer.concat([zeros, rest]);
  t.is((await upload.commit()).digest, digestOf(whole));
  t.true((await readBlob(blobs, digestOf(whole))).equals(whole));
  await upload.cancel();
});

testShared("one that wakes up while it writes a record does not write to another's", async (t, place) => {
  const [first, second, third] = [await place.open(), await place.open(), await place.open()];
  const upload = await begun(first, 3 * MiB);
  const [opened, wake] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const restore = injectFault(t, "open", (real, args, done) => {
    if (!String(args[0]).endsWith(".new")) return real(...args, done);
    restore();
    real(...args, (...result: Parameters<typeof done>) => {
      opened.resolve();
      wake.promise.then(() => done(...result));
    });
  });
  const amended = Promise.allSettled([upload.amend({ some: "other note" })]);
  await opened.promise;
  await place.cut(`upload ${ID}`);
  t.is((await second.resume(ID))?.offset, 3 * MiB);
  wake.resolve();
  await amended;
  const resumed = (await third.resume(ID)) ?? t.fail();
  t.is(resumed.offset, 3 * MiB);
  t.deepEqual(resumed.note, { some: "note" });
  await finish(t, third);
  await onlyTheBlob(t, place, [first, second, third]);
});

testShared(
  "what is removed by one process is gone for the others, and what is stored is there",
  async (t, place) => {
    const [first, second] = [await place.open(), await place.open()];
    for (const size of [100, 100 * KiB]) {
      const content = bytesOf(2, size);
      const { digest } = await store(first, content);
      for (let time = 0; time < 20; time += 1) {
        t.true((await readBlob(second, digest)).equals(content));
        t.is((await second.stat(digest))?.size, size);
        await first.discard(digest);
        t.is(await second.stat(digest), undefined);
        t.is(await second.open(digest), undefined);
        t.true(await (time % 2 === 0 ? first : second).restore(digest));
      }
    }
  },
);

testShared("what is done by several at once is done once", async (t, place) => {
  const stores = await Promise.all([place.open(), place.open(), place.open()]);
  for (let seed = 10; seed < 40; seed += 1) {
    const { digest } = await store(stores[0] ?? t.fail(), bytesOf(seed, 100));
    const discarded = await Promise.all(stores.map((blobs) => blobs.discard(digest)));
    t.true(discarded.some((stat) => stat?.size === 100));
    // Whoever comes late finds nothing in the trash.
    const restored = await Promise.all(stores.map((blobs) => blobs.restore(digest)));
    t.true(restored.includes(true));
    for (const blobs of stores) t.is((await blobs.stat(digest))?.size, 100);
    const inspected = await Promise.all(stores.map((blobs) => blobs.inspect(digest)));
    const moved = await Promise.all(inspected.map((one) => one?.quarantine()));
    t.is(moved.filter((one) => one).length, 1);
    for (const one of inspected) await one?.handle.close();
    t.is(await stores[1]?.stat(digest), undefined);
    await Promise.all(stores.map((blobs) => blobs.dispose(digest)));
    t.deepEqual(await Promise.all(stores.map((blobs) => blobs.restore(digest))), [false, false, false]);
  }
});

const CONTENTS = [bytesOf(1, 100), bytesOf(2, 100), bytesOf(3, 100 * KiB)];

/** What a process may do with a blob at any moment. */
const ACTIONS: readonly ((blobs: BlobStore, content: Buffer) => Promise<unknown>)[] = [
  store,
  store,
  (blobs, content) => store(blobs, content, { resumable: true }),
  (blobs, content) => blobs.discard(digestOf(content)),
  (blobs, content) => blobs.restore(digestOf(content)),
  (blobs, content) => blobs.purge(digestOf(content)),
  async (blobs, content) => {
    const inspected = await blobs.inspect(digestOf(content));
    await inspected?.quarantine();
    await inspected?.handle.close();
  },
];

testShared(
  "many that store, discard, restore and quarantine the same blobs leave each whole or away",
  async (t, place) => {
    const stores = await Promise.all([place.open(), place.open(), place.open()]);
    let state = 1;
    const random = (below: number) => {
      state = (state * 48_271) % 2_147_483_647;
      return state % below;
    };
    const pick = <T>(items: readonly T[]): T => items[random(items.length)] as T;
    const worker = async (blobs: BlobStore) => {
      for (let i = 0; i < 100; i += 1) {
        const content = pick(CONTENTS);
        await pick(ACTIONS)(blobs, content);
        const handle = await blobs.open(digestOf(content));
        if (handle === undefined) continue;
        const read = Buffer.concat(await handle.stream().toArray());
        await handle.close();
        if (!read.equals(content)) throw new Error("other bytes");
      }
    };
    await t.notThrowsAsync(Promise.all(stores.flatMap((blobs) => [worker(blobs), worker(blobs)])));
  },
);

testShared(
  "what was stored anew while it went to quarantine may be moved back by anybody",
  async (t, place) => {
    const blobs = await place.open();
    const { digest } = await store(blobs, bytes);
    const inspected = (await blobs.inspect(digest)) ?? t.fail();
    const restore = injectFault(t, "rename", (real, [from, to], done) => {
      restore();
      copyFileSync(String(from), `${from}-anew`);
      renameSync(`${from}-anew`, String(from));
      real(from, to, (...result: Parameters<typeof done>) => {
        renameSync(String(to), String(from));
        done(...result);
      });
    });
    // The directory is made, so that this is the rename that moves it.
    await mkdir(join(place.directory, "quarantine", "sha256"), { recursive: true });
    t.false(await inspected.quarantine());
    await inspected.handle.close();
    t.true((await readBlob(blobs, digest)).equals(bytes));
  },
);

testShared(
  "what a dead process has left is removed when nobody has touched it for long",
  async (t, place) => {
    const [first, second] = [await place.open(), await place.open()];
    const upload = await begun(first, 100);
    const plain = await first.begin();
    await plain.append(sourceOf(bytes.subarray(0, 100)), { at: 0 });
    const names = ["dead", "dead-2.json.new", `${ID}.00000000`];
    for (const name of names) await writeFile(join(place.directory, "uploads", name), "left");
    const before = await uploadFiles(place.directory);
    await second.sweepLeftovers(new Date(Date.now() - 1000 * 3600));
    await second.close();
    t.deepEqual(await uploadFiles(place.directory), before);
    for (const name of names) await utimes(join(place.directory, "uploads", name), 1, 1);
    const third = await place.open();
    await third.close();
    t.deepEqual(
      await uploadFiles(place.directory),
      before.filter((name) => !names.includes(name)),
    );
    t.is(await upload.sync(), 100);
    t.is((await plain.commit()).size, 100);
  },
);

testShared("an upload that has ended leaves nothing in memory", async (t, place) => {
  const blobs = await place.open();
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc");
  const uploads: WeakRef<BlobUpload>[] = [];
  for (let n = 0; n < 20; n += 1) {
    const upload = await blobs.begin({ resumable: true });
    await upload.append(sourceOf(bytesOf(n, 100)), { at: 0 });
    await upload.commit();
    await upload.cancel();
    uploads.push(new WeakRef(upload));
  }
  await eventually(async () => {
    collectGarbage();
    return uploads.filter((upload) => upload.deref() !== undefined).length < 3;
  });
  t.pass();
});

testShared("notes of a scrub that several write at once are whole", async (t, { directory }) => {
  const notes = [fileScrubNotes(directory), fileScrubNotes(directory)];
  const after = (n: number) => digestOf(bytesOf(n, 1));
  await Promise.all(Array.from({ length: 40 }, (_, n) => notes[n % 2]?.write({ after: after(n) })));
  const { after: last } = (await notes[0]?.read()) ?? {};
  t.true(Array.from({ length: 40 }, (_, n) => after(n)).some((digest) => digest === last));
  t.deepEqual(await readdir(directory), ["scrub.json"]);
});

test.serial(
  "a directory is used alone after it was shared, and shared after it was used alone",
  async (t) => {
    const place = await sharedPlace(t);
    const shared = await place.open();
    await begun(shared, 3 * MiB);
    await shared.close();
    const alone = await place.open({ locks: undefined as never });
    const upload = (await alone.resume(ID)) ?? t.fail();
    t.is(upload.offset, 3 * MiB);
    await upload.append(sourceOf(bytes.subarray(3 * MiB, 5 * MiB)), { at: 3 * MiB });
    await alone.begin({ id: uploadId("another"), resumable: true });
    await alone.close();
    const again = await place.open();
    t.is((await again.resume(uploadId("another")))?.offset, 0);
    await (await again.resume(uploadId("another")))?.cancel();
    await finish(t, again);
    await onlyTheBlob(t, place, [again]);
  },
);
