import fs from "node:fs";
import { relative } from "node:path";
import test, { type ExecutionContext } from "ava";
import { BlobTree } from "../../src/blobs/blob-tree.ts";
import { TransferMemory } from "../../src/blobs/buffers.ts";
import { FileReader } from "../../src/blobs/file-reader.ts";
import { SyncedDirectory } from "../../src/blobs/sync.ts";
import type { Awaitable } from "../../src/core/awaitable.ts";
import { type Digest, digestOf } from "../../src/core/digest.ts";
import { temporaryDirectory } from "../index/samples.ts";
import { injectFault } from "./faulty-fs.ts";
import { bytesOf, openStore, pathOf, sourceOf, store } from "./samples.ts";

/** Writes down what is done to files, in the order in which it is finished. */
function watch(t: ExecutionContext, directory: string): string[] {
  const done: string[] = [];
  const nameOf = (fd: unknown) => relative(directory, fs.readlinkSync(`/proc/self/fd/${fd}`));
  for (const name of ["writev", "fdatasync", "fsync"] as const) {
    injectFault(t, name, (real, args, callback) => {
      const file = nameOf(args[0]);
      real(...args, (error: Error | null, ...results: unknown[]) => {
        done.push(`${name} ${file}`);
        callback(error, ...results);
      });
    });
  }
  injectFault(t, "rename", (real, args, callback) => {
    real(...args, (error: Error | null) => {
      done.push(`rename ${args.map((path) => relative(directory, String(path))).join(" ")}`);
      callback(error);
    });
  });
  return done;
}

test.serial("a small blob takes a write, a sync, a rename and a sync of its directory", async (t) => {
  const { blobs, directory } = await openStore(t);
  const bytes = bytesOf(1, 100);
  await store(blobs, bytes);
  const done = watch(t, directory);
  const upload = await blobs.begin();
  await upload.append(sourceOf(bytes), { at: 0 });
  const { digest } = await upload.commit();
  const [data, path] = [`uploads/${upload.id}`, relative(directory, pathOf(directory, digest))];
  const shard = path.slice(0, path.lastIndexOf("/"));
  t.deepEqual(done, [`writev ${data}`, `fdatasync ${data}`, `rename ${data} ${path}`, `fsync ${shard}`]);
});

test.serial("the first blob of a shard also takes a sync of the directory above", async (t) => {
  const { blobs, directory } = await openStore(t);
  await store(blobs, bytesOf(1, 100));
  const done = watch(t, directory);
  const { digest } = await store(blobs, bytesOf(2, 100));
  const shard = `blobs/sha256/${digest.slice(7, 9)}`;
  t.deepEqual(done.slice(-2), ["fsync blobs/sha256", `fsync ${shard}`]);
});

test.serial("a resumable upload says what it becomes before it does", async (t) => {
  const { blobs, directory } = await openStore(t);
  await store(blobs, bytesOf(3, 100));
  const done = watch(t, directory);
  const upload = await blobs.begin({ resumable: true });
  const data = `uploads/${upload.id}`;
  const record = [`fdatasync ${data}.json.new`, `rename ${data}.json.new ${data}.json`, "fsync uploads"];
  t.deepEqual(done.splice(0), record);
  await upload.append(sourceOf(bytesOf(3, 100)), { at: 0 });
  t.deepEqual(done.splice(0), [`writev ${data}`]);
  const { digest } = await upload.commit();
  const path = relative(directory, pathOf(directory, digest));
  const shard = path.slice(0, path.lastIndexOf("/"));
  t.deepEqual(done, [`fdatasync ${data}`, ...record, `rename ${data} ${path}`, `fsync ${shard}`]);
});

test.serial("nothing is synced when that is left to the kernel", async (t) => {
  const { blobs, directory } = await openStore(t, { durability: "os" });
  const done = watch(t, directory);
  await store(blobs, bytesOf(4, 100), { resumable: true });
  await blobs.stat(digestOf(bytesOf(4, 100)));
  t.deepEqual(
    done.filter((line) => line.includes("sync")),
    [],
  );
});

/** Lets everything happen that only waits for its turn. */
const turn = () => new Promise(setImmediate);

/** A sync that ends when it is told to. */
function manualSync() {
  const waiting: { path: string; end(error?: Error): void }[] = [];
  const sync = (path: string) =>
    new Promise<void>((resolve, reject) => {
      waiting.push({ path, end: (error) => (error === undefined ? resolve() : reject(error)) });
    });
  return { waiting, sync };
}

async function isPending(promise: Awaitable<unknown>): Promise<boolean> {
  const later = new Promise((resolve) => setTimeout(resolve, 20, "later"));
  return (await Promise.race([promise, later])) === "later";
}

test("a blob that was there before is told of when its directory has been synced", async (t) => {
  const root = await temporaryDirectory(t);
  const { blobs, directory } = await openStore(t, { directory: root });
  const stat = await store(blobs, bytesOf(5, 100));
  const { waiting, sync } = manualSync();
  const reader = new FileReader({
    tree: new BlobTree(directory, sync),
    memory: new TransferMemory(),
    log: undefined,
  });
  const [found, handle] = [reader.stat(stat.digest), reader.open(stat.digest)];
  t.true(await isPending(found));
  t.true(await isPending(handle));
  t.deepEqual(
    waiting.map(({ path }) => relative(directory, path)),
    ["blobs/sha256"],
  );
  waiting.shift()?.end();
  t.true(await isPending(found));
  while (waiting.length > 0) {
    waiting.shift()?.end();
    await turn();
  }
  t.deepEqual(await found, stat);
  t.is((await handle)?.size, 100);
  // Once is enough.
  t.deepEqual(await reader.stat(stat.digest), stat);
  t.is(await reader.stat(digestOf(bytesOf(6, 1))), undefined);
  t.deepEqual(waiting, []);
});

test("where other processes store blobs, too, each is told of when its directory has been synced since", async (t) => {
  const { blobs, directory } = await openStore(t);
  const contents = sameShard();
  for (const bytes of contents) await store(blobs, bytes);
  const [first, second, third] = contents.map((bytes) => digestOf(bytes)) as [Digest, Digest, Digest];
  const { waiting, sync } = manualSync();
  const reader = new FileReader({
    tree: new BlobTree(directory, sync, true),
    memory: new TransferMemory(),
    log: undefined,
  });
  const synced = async (look: Promise<unknown>) => {
    const paths: string[] = [];
    for (; await isPending(look); await turn()) {
      for (const { path, end } of waiting.splice(0)) {
        paths.push(relative(directory, path));
        end();
      }
    }
    return paths;
  };
  const shard = relative(directory, pathOf(directory, first)).replace(/\/[^/]*$/, "");
  t.deepEqual(await synced(reader.stat(first)), ["blobs/sha256", shard]);
  t.deepEqual(await synced(reader.stat(second)), [shard]);
  t.deepEqual(await synced(Promise.resolve(reader.open(third))), [shard]);
  // They are known by now.
  for (const digest of [first, second, third]) t.deepEqual(await synced(reader.stat(digest)), []);
  t.deepEqual(await synced(Promise.resolve(reader.open(third))), []);
  // The same bytes, under the same name, are another file once they were stored anew.
  await store(blobs, contents[1]);
  t.deepEqual(await synced(reader.stat(second)), [shard]);
});

/** Contents whose digests begin with the same byte. */
function sameShard(): [Buffer, Buffer, Buffer] {
  const [first = Buffer.alloc(0), ...others] = Array.from({ length: 5000 }, (_, i) => bytesOf(i, 100));
  const same = others.filter((bytes) => digestOf(bytes).slice(0, 9) === digestOf(first).slice(0, 9));
  return [first, same[0] ?? first, same[1] ?? first];
}

test("who waits for a directory shares a sync that began after his change", async (t) => {
  const { waiting, sync } = manualSync();
  const directory = new SyncedDirectory("d", { sync });
  t.false(directory.settled);
  const first = directory.sync();
  await directory.change(async () => {});
  const others = [directory.sync(), directory.sync(), directory.sync()];
  await turn();
  t.is(waiting.length, 1);
  waiting.shift()?.end();
  await first;
  t.false(directory.settled);
  await turn();
  t.is(waiting.length, 1);
  waiting.shift()?.end();
  await Promise.all(others);
  t.true(directory.settled);
  await directory.sync();
  t.deepEqual(waiting, []);
});

test("a sync that ran while a name was changing does not count for it", async (t) => {
  const { waiting, sync } = manualSync();
  const directory = new SyncedDirectory("d", { sync });
  const renamed = Promise.withResolvers<void>();
  const change = directory.change(() => renamed.promise);
  const reader = directory.sync();
  await turn();
  waiting.shift()?.end();
  await reader;
  t.false(directory.settled);
  renamed.resolve();
  await change;
  t.false(directory.settled);
  const second = directory.sync();
  await turn();
  waiting.shift()?.end();
  await second;
  t.true(directory.settled);
});

test("a directory whose sync failed is not settled", async (t) => {
  const { waiting, sync } = manualSync();
  const directory = new SyncedDirectory("d", { sync });
  const [first, second] = [directory.sync(), directory.sync()];
  await turn();
  waiting.shift()?.end(new Error("no"));
  await t.throwsAsync(first, { message: "no" });
  t.false(directory.settled);
  await turn();
  waiting.shift()?.end();
  await second;
  t.true(directory.settled);
});

test("a directory is settled when the one above it is", async (t) => {
  const { waiting, sync } = manualSync();
  const parent = new SyncedDirectory("p", { sync });
  const directory = new SyncedDirectory("d", { sync, parent });
  const synced = directory.sync();
  await turn();
  t.deepEqual(
    waiting.map(({ path }) => path),
    ["p"],
  );
  waiting.shift()?.end();
  await turn();
  t.deepEqual(
    waiting.map(({ path }) => path),
    ["d"],
  );
  waiting.shift()?.end();
  await synced;
  t.true(directory.settled);
  await parent.change(async () => {});
  t.false(directory.settled);
});
