import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import test, { type ExecutionContext } from "ava";
import { JournalIndex, openJournalIndex } from "../../src/index/journal.ts";
import { encodeLine } from "../../src/index/line.ts";
import type { Index } from "../../src/index/port.ts";
import { FakeDisk } from "./fake-disk.ts";
import {
  digest,
  LIBRARY,
  link,
  put,
  setTag,
  TestLog,
  tag,
  temporaryDirectory,
  transaction,
} from "./samples.ts";

const JOURNAL = "/library/_journal.jsonl";
const OLD_JOURNAL = "/library/_journal.old.jsonl";
const SNAPSHOT = "/library/_snapshot.json";

function open(disk: FakeDisk, compactAbove = Number.POSITIVE_INFINITY): { index: Index; log: TestLog } {
  const log = new TestLog();
  return { index: new JournalIndex(disk, { directory: "/", log, compactAbove }), log };
}

async function linkAll(index: Index, from: number, to: number): Promise<void> {
  for (let at = from; at <= to; at++) await index.apply(LIBRARY, transaction([link(digest(at))]));
}

/** The numbers of the blobs linked, oldest first. */
async function linked(index: Index): Promise<number[]> {
  const { items } = await index.blobs(LIBRARY, { limit: 1000 });
  return items.map((item) => Number(`0x${item.digest.slice(-8)}`)).reverse();
}

/** A journal with blobs 1 to `count`, a line each. */
async function journalOf(count: number): Promise<FakeDisk> {
  const disk = new FakeDisk();
  const { index } = open(disk);
  await linkAll(index, 1, count);
  await index.close();
  return disk;
}

function linesOf(disk: FakeDisk, file: string): string[] {
  return (disk.content(file) ?? Buffer.alloc(0)).toString().split("\n").slice(0, -1);
}

function edit(disk: FakeDisk, file: string, change: (lines: string[]) => string[]): void {
  const lines = change(linesOf(disk, file));
  disk.place(file, Buffer.from(lines.map((line) => `${line}\n`).join("")));
}

const damaged = (line = "") => line.replace("sha256", "sha265");

test("a journal cut off anywhere loads every line that is whole, and goes on behind it", async (t) => {
  const directory = await temporaryDirectory(t);
  const file = join(directory, "index/library/_journal.jsonl");
  await mkdir(join(directory, "index/library"), { recursive: true });
  const line = (seq: number) =>
    encodeLine({ seq, at: "2026-01-01T00:00:00.000Z", who: "ann", changes: [link(digest(seq)) as never] });
  const whole = Buffer.from([1, 2, 3].map(line).join(""));
  const ends = [1, 2, 3].map((count) => Buffer.byteLength([1, 2, 3].slice(0, count).map(line).join("")));
  for (let size = 0; size <= whole.length; size++) {
    await writeFile(file, whole.subarray(0, size));
    const complete = ends.filter((end) => end <= size);
    const log = new TestLog();
    const index = await openJournalIndex({ directory, durability: "os", log });
    const expected = [1, 2, 3].slice(0, complete.length);
    if (!same(await linked(index), expected)) t.fail(`cut at ${size}`);
    const torn = size > (complete.at(-1) ?? 0);
    if (log.warnings.length !== Number(torn)) t.fail(`warnings when cut at ${size}`);
    await index.apply(LIBRARY, transaction([link(digest(9))]));
    await index.close();
    const again = await openJournalIndex({ directory, durability: "os", log });
    if (!same(await linked(again), [...expected, 9])) t.fail(`appended after a cut at ${size}`);
    await again.close();
    if (log.errors.length > 0) t.fail(`errors when cut at ${size}`);
  }
  t.pass();
});

function same(a: readonly number[], b: readonly number[]): boolean {
  return a.join() === b.join();
}

test("a journal of a version that knew no children of manifests loads, and goes on", async (t) => {
  const directory = await temporaryDirectory(t);
  await mkdir(join(directory, "index/library"), { recursive: true });
  const manifest = { digest: digest(2), size: 2, mediaType: "a/b", blobs: [digest(1)], subject: digest(3) };
  const bodies = [
    { type: "blobLinked", digest: digest(1), size: 1, mediaType: "c/d" },
    { type: "manifestPut", manifest },
    { type: "tagSet", tag: "v1", digest: digest(2), was: null },
  ].map((change, at) => {
    const line = { seq: at + 1, at: "2026-01-01T00:00:00.000Z", who: "ann", changes: [change] };
    return JSON.stringify(line).slice(0, -1);
  });
  const lines = bodies.map((body) => `${body},"sum":"${crc32(body).toString(16).padStart(8, "0")}"}\n`);
  await writeFile(join(directory, "index/library/_journal.jsonl"), lines.join(""));
  const log = new TestLog();
  for (const children of [undefined, [digest(2)]]) {
    const index = await openJournalIndex({ directory, durability: "os", log });
    const createdAt = "2026-01-01T00:00:00.000Z";
    t.deepEqual(await index.manifest(LIBRARY, digest(2)), { position: 2, ...manifest, createdAt });
    t.is((await index.referrers(LIBRARY, digest(3), { limit: 9 })).items.length, 1);
    t.is((await index.tags(LIBRARY, { limit: 9 })).items.length, 1);
    t.deepEqual((await index.manifest(LIBRARY, digest(4)))?.manifests, children);
    await index.apply(LIBRARY, transaction([put(digest(4), [], { manifests: [digest(2)] })]));
    await index.close();
  }
  t.deepEqual(log.errors, []);
});

test("what a crash cut short is removed from the file at the first use", async (t) => {
  const directory = await temporaryDirectory(t);
  const file = join(directory, "index/library/_journal.jsonl");
  const first = await openJournalIndex({ directory, durability: "full" });
  await linkAll(first, 1, 2);
  await first.close();
  const before = await readFile(file);
  await writeFile(file, '{"seq":3,"at', { flag: "a" });
  const second = await openJournalIndex({ directory, durability: "full" });
  t.deepEqual(await linked(second), [1, 2]);
  t.deepEqual(await readFile(file), before);
  await second.close();
});

test("a damaged line in the middle is reported by file and line, and the rest is loaded", async (t) => {
  const disk = await journalOf(5);
  edit(disk, JOURNAL, (lines) => lines.with(2, damaged(lines[2])));
  const { index, log } = open(disk);
  t.deepEqual(await linked(index), [1, 2, 4, 5]);
  t.deepEqual(log.damage, ["_journal.jsonl:3"]);
  t.false(await index.intact(LIBRARY));
});

test("every single flipped bit of a line is noticed", async (t) => {
  const disk = await journalOf(3);
  const content = disk.content(JOURNAL) ?? t.fail();
  const length = content.indexOf("\n") + 1;
  for (let bit = 0; bit < length * 8; bit++) {
    const flipped = Buffer.from(content);
    flipped[length + (bit >> 3)] = (flipped[length + (bit >> 3)] ?? 0) ^ (1 << (bit & 7));
    disk.place(JOURNAL, flipped);
    const { index, log } = open(disk);
    // Without its newline, the line swallows the next one. That line was no longer to be found, but reported.
    const found = await linked(index);
    const reported = log.damage.length + log.warnings.length > 0;
    if (found.includes(2) || !reported) t.fail(`bit ${bit}: ${found}, ${log.damage}`);
  }
  t.pass();
});

test("writing goes on after damage, which is reported again at the next start", async (t) => {
  const disk = await journalOf(3);
  edit(disk, JOURNAL, (lines) => lines.with(1, damaged(lines[1])));
  const first = open(disk);
  await linkAll(first.index, 4, 5);
  await first.index.close();
  const second = open(disk);
  t.deepEqual(await linked(second.index), [1, 3, 4, 5]);
  t.deepEqual(second.log.damage, ["_journal.jsonl:2"]);
});

test("a damaged last line is not taken for one that a crash cut short", async (t) => {
  const disk = await journalOf(3);
  edit(disk, JOURNAL, (lines) => lines.with(2, damaged(lines[2])));
  const { index, log } = open(disk);
  t.deepEqual(await linked(index), [1, 2]);
  t.deepEqual(log.damage, ["_journal.jsonl:3"]);
  await linkAll(index, 4, 4);
  await index.close();
  const again = open(disk);
  t.deepEqual(await linked(again.index), [1, 2, 4]);
  t.deepEqual(again.log.damage, ["_journal.jsonl:3"]);
});

test("lines that are missing altogether are reported where the numbers jump", async (t) => {
  const disk = await journalOf(5);
  edit(disk, JOURNAL, (lines) => lines.toSpliced(1, 2));
  const { index, log } = open(disk);
  t.deepEqual(await linked(index), [1, 4, 5]);
  t.deepEqual(log.damage, ["_journal.jsonl:2"]);
});

test("a change of a kind that only a later version knows is reported as a whole line", async (t) => {
  const disk = await journalOf(2);
  const changes = [link(digest(3)), { type: "blobPainted", digest: digest(1) }] as never[];
  const line = encodeLine({ seq: 3, at: "2026-01-01T00:00:00.000Z", who: "ann", changes });
  edit(disk, JOURNAL, (lines) => [...lines, line.trimEnd()]);
  const { index, log } = open(disk);
  t.deepEqual(await linked(index), [1, 2]);
  t.deepEqual(log.damage, ["_journal.jsonl:3"]);
});

test("nothing is compacted while a line is damaged", async (t) => {
  const disk = await journalOf(3);
  edit(disk, JOURNAL, (lines) => lines.with(1, damaged(lines[1])));
  const { index } = open(disk, 100);
  await linkAll(index, 4, 30);
  await index.close();
  t.is(disk.content(SNAPSHOT), undefined);
  t.is(linesOf(disk, JOURNAL)[1]?.includes("sha265"), true);
});

/** A snapshot of blobs 1 to 3, manifest 4 and tag v1, and lines for blobs 5 and 6 in the journal. */
async function withSnapshot(t: ExecutionContext): Promise<FakeDisk> {
  const disk = new FakeDisk();
  const { index } = open(disk, 0);
  const entries = [1, 2, 3].map((number) => link(digest(number)));
  await index.apply(LIBRARY, transaction([...entries, put(digest(4), [digest(1)]), setTag("v1", digest(4))]));
  await index.close();
  const again = open(disk);
  await linkAll(again.index, 5, 6);
  await again.index.close();
  t.is(linesOf(disk, SNAPSHOT).length, 9);
  t.is(linesOf(disk, JOURNAL).length, 2);
  return disk;
}

test("a snapshot is JSON, with an entry a line", async (t) => {
  const disk = await withSnapshot(t);
  const snapshot = JSON.parse(String(disk.content(SNAPSHOT)));
  t.deepEqual(
    snapshot.map((element: object) => Object.keys(element)[0]),
    ["snapshot", "blob", "blob", "blob", "manifest", "tag", "snapshot"],
  );
  t.like(snapshot[0].snapshot, { seq: 1, position: 4, entries: 5 });
  t.is(snapshot[4].manifest.digest, digest(4));
});

test("a damaged line of a snapshot is reported, and the rest is loaded", async (t) => {
  const disk = await withSnapshot(t);
  edit(disk, SNAPSHOT, (lines) => lines.with(3, damaged(lines[3])));
  const { index, log } = open(disk);
  t.deepEqual(await linked(index), [1, 3, 5, 6]);
  t.deepEqual(log.damage, ["_snapshot.json:4"]);
  t.is((await index.tag(LIBRARY, tag("v1")))?.digest, digest(4));
});

test("a snapshot that ends early is reported, and what there is is loaded", async (t) => {
  const disk = await withSnapshot(t);
  edit(disk, SNAPSHOT, (lines) => lines.slice(0, 4));
  const { index, log } = open(disk);
  t.deepEqual(await linked(index), [1, 2, 5, 6]);
  t.deepEqual(log.damage, ["_snapshot.json:5"]);
});

test("one end of a snapshot is enough to know where the journal goes on", async (t) => {
  for (const [at, line] of [
    [1, 2],
    [7, 8],
  ] as const) {
    const disk = await withSnapshot(t);
    edit(disk, SNAPSHOT, (lines) => lines.with(at, (lines[at] ?? "").replace("seq", "sea")));
    const { index, log } = open(disk);
    t.deepEqual(await linked(index), [1, 2, 3, 5, 6]);
    t.deepEqual(log.damage, [`_snapshot.json:${line}`]);
    await linkAll(index, 7, 7);
    await index.close();
    t.deepEqual(await linked(open(disk).index), [1, 2, 3, 5, 6, 7]);
  }
});

test("a snapshot without either end can be read, but takes no new lines that nobody could number", async (t) => {
  const disk = await withSnapshot(t);
  edit(disk, SNAPSHOT, (lines) => lines.map((line) => line.replace("seq", "sea")));
  const { index, log } = open(disk);
  t.deepEqual(await linked(index), [1, 2, 3, 5, 6]);
  t.deepEqual(log.damage, ["_snapshot.json:2", "_snapshot.json:8"]);
  await t.throwsAsync(linkAll(index, 7, 7), { code: "UNAVAILABLE" });
  // What is linked already needs no new line.
  await t.notThrowsAsync(Promise.resolve(index.blob(LIBRARY, digest(1))));
});

test("an empty snapshot is damage, not an empty repository", async (t) => {
  const disk = await withSnapshot(t);
  disk.place(SNAPSHOT, Buffer.alloc(0));
  const { index, log } = open(disk);
  t.deepEqual(await linked(index), [5, 6]);
  t.deepEqual(log.damage, ["_snapshot.json:1"]);
});

test("a snapshot that has gone is noticed by the numbers of the lines after it", async (t) => {
  const disk = await withSnapshot(t);
  disk.place(SNAPSHOT, undefined);
  const { index, log } = open(disk);
  t.deepEqual(await linked(index), [5, 6]);
  t.deepEqual(log.damage, ["_journal.jsonl:1"]);
});

test("an old journal that was cut short has lost what was acknowledged, and is reported", async (t) => {
  const disk = await journalOf(3);
  const content = disk.content(JOURNAL) ?? t.fail();
  disk.place(OLD_JOURNAL, content.subarray(0, -10));
  disk.place(JOURNAL, undefined);
  const { index, log } = open(disk);
  t.deepEqual(await linked(index), [1, 2]);
  t.deepEqual(log.damage, ["_journal.old.jsonl:3"]);
});

test("entries after a snapshot without either end still have places of their own", async (t) => {
  const disk = await withSnapshot(t);
  edit(disk, SNAPSHOT, (lines) => lines.map((line) => line.replace("seq", "sea")));
  const { items } = await open(disk).index.blobs(LIBRARY, { limit: 10 });
  t.deepEqual(
    items.map((item) => item.position),
    [6, 5, 3, 2, 1],
  );
});
