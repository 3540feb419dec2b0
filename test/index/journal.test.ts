import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import test from "ava";
import { parseRepositoryName } from "../../src/core/name.ts";
import { JournalIndex, openJournalIndex } from "../../src/index/journal.ts";
import type { Index } from "../../src/index/port.ts";
import { testIndex } from "../suites/index.ts";
import { FakeDisk } from "./fake-disk.ts";
import {
  digest,
  LIBRARY,
  link,
  openFiles,
  put,
  setTag,
  tag,
  temporaryDirectory,
  transaction,
} from "./samples.ts";

for (const durability of ["full", "os"] as const) {
  testIndex(`journal, ${durability}`, async (t) => {
    const directory = await temporaryDirectory(t);
    t.teardown(async () => {
      const left = await openFiles(directory);
      if (left.length > 0) throw new Error(`left open: ${left.join(", ")}`);
    });
    return await openJournalIndex({ directory, durability });
  });
}

test("what was applied is there after opening again, places and dates too", async (t) => {
  const directory = await temporaryDirectory(t);
  const name = parseRepositoryName("team/app");
  const first = await openJournalIndex({ directory, durability: "full" });
  const about = { manifests: [digest(5)], artifactType: "a/b", subject: digest(6) };
  const manifest = put(digest(2), [digest(1)], about);
  await first.apply(name, transaction([link(digest(1)), manifest, setTag("v1", digest(2))]));
  await first.apply(name, transaction([link(digest(3))]));
  const page = { limit: 10 };
  const readAll = async (index: Index) => [
    await index.repositories(page),
    await index.exists(name),
    await index.blobs(name, page),
    await index.manifests(name, page),
    await index.referrers(name, digest(6), page),
    await index.tag(name, tag("v1")),
    await index.tags(name, page),
  ];
  const before = await readAll(first);
  await first.close();
  const second = await openJournalIndex({ directory, durability: "full" });
  t.deepEqual(await readAll(second), before);
  await second.close();
});

test("a line says who changed what, when, and from what, and carries the checksum of the rest", async (t) => {
  const directory = await temporaryDirectory(t);
  const index = await openJournalIndex({ directory, durability: "full" });
  await index.apply(LIBRARY, {
    who: "ann",
    changes: [put(digest(1)), put(digest(2)), setTag("v1", digest(1))],
  });
  await index.apply(LIBRARY, { who: "bob", changes: [setTag("v1", digest(2)), setTag("v2", digest(2))] });
  await index.apply(LIBRARY, { who: "cat", changes: [{ type: "tagDeleted", tag: tag("v2") }] });
  await index.apply(LIBRARY, { who: "dan", changes: [{ type: "manifestDeleted", digest: digest(2) }] });
  await index.close();
  const text = await readFile(join(directory, "index/library/_journal.jsonl"), "utf8");
  const lines = text.trimEnd().split("\n");
  const parsed = lines.map((line) => JSON.parse(line));
  t.deepEqual(
    parsed.map(({ seq, who }) => [seq, who]),
    [
      [1, "ann"],
      [2, "bob"],
      [3, "cat"],
      [4, "dan"],
    ],
  );
  t.like(parsed[0].changes[2], { type: "tagSet", tag: "v1", digest: digest(1), was: null });
  t.deepEqual(parsed[1].changes[0], { type: "tagSet", tag: "v1", digest: digest(2), was: digest(1) });
  t.deepEqual(parsed[2].changes, [{ type: "tagDeleted", tag: "v2", was: digest(2) }]);
  t.deepEqual(parsed[3].changes, [{ type: "manifestDeleted", digest: digest(2), tags: ["v1"] }]);
  for (const [at, line] of lines.entries()) {
    const [body = ""] = line.split(',"sum":');
    t.is(parsed[at].sum, crc32(body).toString(16).padStart(8, "0"));
    t.deepEqual(Object.keys(parsed[at]), ["seq", "at", "who", "changes", "sum"]);
  }
});

test("what changes nothing writes nothing", async (t) => {
  const directory = await temporaryDirectory(t);
  const index = await openJournalIndex({ directory, durability: "full" });
  const all = transaction([link(digest(1)), put(digest(2)), setTag("v1", digest(2))]);
  await index.apply(LIBRARY, all);
  const file = join(directory, "index/library/_journal.jsonl");
  const before = await readFile(file, "utf8");
  await index.apply(LIBRARY, all);
  await index.apply(LIBRARY, transaction([]));
  await index.apply(LIBRARY, transaction([{ type: "blobUnlinked", digest: digest(7) }]));
  t.is(await readFile(file, "utf8"), before);
  await index.close();
});

test("reading an unknown repository creates nothing on the disk", async (t) => {
  const directory = await temporaryDirectory(t);
  const index = await openJournalIndex({ directory, durability: "full" });
  for (const name of ["a", "a/b/c"].map(parseRepositoryName)) {
    await index.blob(name, digest(1));
    await index.manifests(name, { limit: 1 });
    await t.throwsAsync(index.apply(name, transaction([], [{ type: "blobLinked", digest: digest(1) }])));
    await index.apply(name, transaction([{ type: "tagDeleted", tag: tag("v1") }]));
  }
  t.deepEqual(await readdir(join(directory, "index")), ["_reserve"]);
  await index.close();
});

test("a repository may be named like the files of another", async (t) => {
  const directory = await temporaryDirectory(t);
  const index = await openJournalIndex({ directory, durability: "os" });
  const names = ["foo", "foo/journal.jsonl", "foo/snapshot.json"].map(parseRepositoryName);
  for (const [at, name] of names.entries()) await index.apply(name, transaction([link(digest(at))]));
  for (const [at, name] of names.entries()) {
    t.deepEqual(
      (await index.blobs(name, { limit: 9 })).items.map((item) => item.digest),
      [digest(at)],
    );
  }
  await index.close();
});

test("opening an index looks at no repository", async (t) => {
  const disk = new FakeDisk();
  const index = new JournalIndex(disk, { directory: "/" });
  await index.apply(LIBRARY, transaction([link(digest(1))]));
  await index.close();
  const { operations } = disk;
  await new JournalIndex(disk, { directory: "/" }).close();
  t.is(disk.operations, operations);
});
