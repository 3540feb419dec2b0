import test from "ava";
import { parseRepositoryName } from "../../src/core/name.ts";
import { JournalIndex } from "../../src/index/journal.ts";
import { FakeDisk, Killed, type Operation } from "./fake-disk.ts";
import { digest, LIBRARY, link, put, setTag, TestLog, tag, transaction } from "./samples.ts";

const JOURNAL = "/library/_journal.jsonl";
const OLD_JOURNAL = "/library/_journal.old.jsonl";
const SNAPSHOT = "/library/_snapshot.json";
const NEW_SNAPSHOT = "/library/_snapshot.new.json";

function open(disk: FakeDisk, compactAbove: number): { index: JournalIndex; log: TestLog } {
  const log = new TestLog();
  return { index: new JournalIndex(disk, { directory: "/", log, compactAbove }), log };
}

async function linkAll(index: JournalIndex, from: number, to: number): Promise<void> {
  for (let at = from; at <= to; at++) await index.apply(LIBRARY, transaction([link(digest(at))]));
}

async function linked(index: JournalIndex): Promise<number> {
  return (await index.blobs(LIBRARY, { limit: 1000 })).items.length;
}

const numbers = (disk: FakeDisk, file: string): number[] =>
  String(disk.content(file) ?? "")
    .trimEnd()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line).seq);

test("a journal that has outgrown its limit becomes a snapshot, and a new one begins", async (t) => {
  const disk = new FakeDisk();
  const { index, log } = open(disk, 1000);
  await linkAll(index, 1, 3);
  t.is(disk.content(SNAPSHOT), undefined);
  await linkAll(index, 4, 5);
  await index.close();
  const [head] = JSON.parse(String(disk.content(SNAPSHOT)));
  t.is(disk.content(OLD_JOURNAL), undefined);
  t.is(disk.content(NEW_SNAPSHOT), undefined);
  t.deepEqual(numbers(disk, JOURNAL), [1, 2, 3, 4, 5].slice(head.snapshot.seq));
  t.true(head.snapshot.seq >= 4);
  t.is(await linked(open(disk, 1000).index), 5);
  t.deepEqual(log.errors, []);
});

test("a journal may be twice as large as the snapshot before it is compacted again", async (t) => {
  const disk = new FakeDisk();
  const { index } = open(disk, 100);
  let compactions = 0;
  disk.fault = ({ kind, path }) => {
    if (kind === "rename" && path === NEW_SNAPSHOT) compactions++;
  };
  await linkAll(index, 1, 200);
  await index.close();
  // Each time the snapshot doubles or more: far fewer than one for every few lines.
  t.true(compactions > 2 && compactions < 12, String(compactions));
  t.is(await linked(open(disk, 100).index), 200);
});

test("readers and writers go on while the snapshot is being written", async (t) => {
  const disk = new FakeDisk();
  const { index } = open(disk, 1000);
  const held = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  disk.delay = async ({ kind, path }) => {
    if (kind !== "write" || path !== NEW_SNAPSHOT) return;
    reached.resolve();
    await held.promise;
  };
  await linkAll(index, 1, 5);
  await reached.promise;
  await linkAll(index, 6, 30);
  await index.apply(LIBRARY, transaction([{ type: "blobUnlinked", digest: digest(1) }]));
  t.is(await linked(index), 29);
  held.resolve();
  await index.close();
  t.is(await linked(open(disk, 1000).index), 29);
  t.is(await open(disk, 1000).index.blob(LIBRARY, digest(1)), undefined);
});

test("a large snapshot is written in slices, and read again whole", async (t) => {
  const disk = new FakeDisk();
  const { index } = open(disk, 100_000);
  const seen: Operation[] = [];
  disk.fault = (operation) => {
    if (operation.kind === "write" && operation.path === NEW_SNAPSHOT) seen.push(operation);
  };
  const name = "n".repeat(900);
  const many = Array.from({ length: 900 }, (_, at) => link(digest(at), { name }));
  const about = { manifests: [digest(3)], artifactType: "a/b", subject: digest(4) };
  const tags = ["v2", "v1", "V3"].map((text) => setTag(text, digest(1)));
  await index.apply(LIBRARY, transaction([...many, put(digest(1), [digest(2)], about), ...tags]));
  const before = await index.blobs(LIBRARY, { limit: 1000 });
  const manifests = await index.manifests(LIBRARY, { limit: 1000 });
  const tagged = await index.tags(LIBRARY, { limit: 1000 });
  await index.close();
  t.true(seen.length > 2);
  const again = open(disk, 100_000).index;
  t.deepEqual(await again.blobs(LIBRARY, { limit: 1000 }), before);
  t.deepEqual(await again.manifests(LIBRARY, { limit: 1000 }), manifests);
  t.deepEqual(await again.tags(LIBRARY, { limit: 1000 }), tagged);
  t.like(manifests.items[0], { digest: digest(1), ...about });
  const referrers = await again.referrers(LIBRARY, digest(4), { limit: 9 });
  t.deepEqual(
    referrers.items.map((entry) => entry.digest),
    [digest(1)],
  );
  await t.throwsAsync(again.apply(LIBRARY, transaction([], [{ type: "blobUnused", digest: digest(2) }])), {
    code: "BLOB_IN_USE",
  });
});

test("a snapshot that tells of a change which then failed is not published", async (t) => {
  const disk = new FakeDisk();
  const { index } = open(disk, 100);
  const syncing = Promise.withResolvers<void>();
  const queued = Promise.withResolvers<void>();
  let syncs = 0;
  disk.delay = async ({ kind, path }) => {
    if (kind !== "sync" || path !== JOURNAL || ++syncs > 1) return;
    syncing.resolve();
    await queued.promise;
  };
  disk.fault = ({ kind, path }) => {
    if (kind === "sync" && path === JOURNAL && syncs > 1) throw new Error("EIO");
  };
  const first = index.apply(LIBRARY, transaction([setTag("a", digest(1))]));
  await syncing.promise;
  // In memory when the first batch is done and the snapshot is taken, but not on the disk.
  const second = index.apply(LIBRARY, transaction([setTag("b", digest(1))]));
  queued.resolve();
  await first;
  await t.throwsAsync(second, { code: "UNAVAILABLE" });
  t.not(await index.tag(LIBRARY, tag("a")), undefined);
  t.is(await index.tag(LIBRARY, tag("b")), undefined);
  t.is(disk.content(SNAPSHOT), undefined);
  disk.fault = () => {};
  await index.close();
  const again = open(disk, 100).index;
  t.not(await again.tag(LIBRARY, tag("a")), undefined);
  t.is(await again.tag(LIBRARY, tag("b")), undefined);
});

test("compaction that fails is told, loses nothing, is not tried at every change, and succeeds later", async (t) => {
  const disk = new FakeDisk();
  const { index, log } = open(disk, 1000);
  disk.fault = ({ path }) => {
    if (path === NEW_SNAPSHOT) throw new Error("ENOSPC");
  };
  await linkAll(index, 1, 12);
  t.true(log.errors.length > 0 && log.errors.length < 4, String(log.errors.length));
  t.is(disk.content(SNAPSHOT), undefined);
  t.not(disk.content(OLD_JOURNAL), undefined);
  t.is(await linked(open(disk, 1000).index), 12);
  disk.fault = () => {};
  await linkAll(index, 13, 60);
  await index.close();
  t.not(disk.content(SNAPSHOT), undefined);
  t.is(disk.content(OLD_JOURNAL), undefined);
  t.is(await linked(open(disk, 1000).index), 60);
});

test("what an earlier crash left of a compaction is finished by the next one", async (t) => {
  const disk = new FakeDisk();
  const first = open(disk, 1000);
  // Killed before the snapshot took its place: old journal, new journal, half a snapshot.
  const stopped = Promise.withResolvers<void>();
  disk.fault = ({ kind, path }) => {
    if (kind !== "sync" || path !== NEW_SNAPSHOT) return;
    stopped.resolve();
    throw new Killed();
  };
  await linkAll(first.index, 1, 5);
  await stopped.promise;
  const left = disk.killed();
  t.not(left.content(OLD_JOURNAL), undefined);
  const second = open(left, 1000);
  t.is(await linked(second.index), 5);
  await linkAll(second.index, 6, 30);
  await second.index.close();
  t.is(left.content(OLD_JOURNAL), undefined);
  t.deepEqual(second.log.errors, []);
  t.is(await linked(open(left, 1000).index), 30);
});

test("a longer snapshot that a crash left half written leaves no trace in the next one", async (t) => {
  const disk = new FakeDisk();
  const { index } = open(disk, 1000);
  await linkAll(index, 1, 2);
  disk.place(NEW_SNAPSHOT, Buffer.alloc(10_000, "x"));
  await linkAll(index, 3, 6);
  await index.close();
  t.notThrows(() => JSON.parse(String(disk.content(SNAPSHOT))));
  t.is(await linked(open(disk, 1000).index), 6);
});

test("a repository is not read again while its files are being replaced", async (t) => {
  const disk = new FakeDisk();
  const { index, log } = open(disk, 1000);
  const ticks = async (count: number) => {
    for (let at = 0; at < count; at++) await new Promise((resolve) => setImmediate(resolve));
  };
  const held = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  disk.delay = async ({ kind, path }) => {
    if (kind === "write" && path === NEW_SNAPSHOT) {
      reached.resolve();
      await held.promise;
    }
    // Whoever has looked for a snapshot now, comes late to the old journal.
    if (kind === "read" && path === OLD_JOURNAL) await ticks(50);
  };
  await linkAll(index, 1, 5);
  await reached.promise;
  disk.fault = ({ kind, path }) => {
    if (kind === "sync" && path === JOURNAL) throw new Error("EIO");
  };
  await t.throwsAsync(linkAll(index, 6, 6), { code: "UNAVAILABLE" });
  const reader = linked(index);
  await ticks(20);
  held.resolve();
  t.is(await reader, 5);
  t.deepEqual(log.damage, []);
  await index.close();
});

test("a repository is compacted beside others", async (t) => {
  const disk = new FakeDisk();
  const { index } = open(disk, 1000);
  const names = ["a", "a/b", "c"].map(parseRepositoryName);
  await Promise.all(
    names.map(async (name) => {
      for (let at = 0; at < 20; at++) await index.apply(name, transaction([link(digest(at))]));
    }),
  );
  await index.close();
  for (const name of names) {
    t.not(disk.content(`/${name}/_snapshot.json`), undefined);
    t.is((await open(disk, 1000).index.blobs(name, { limit: 1000 })).items.length, 20);
  }
});
