import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import fc from "fast-check";
import { parseRepositoryName } from "../../src/core/name.ts";
import { JournalIndex, openJournalIndex } from "../../src/index/journal.ts";
import type { Index } from "../../src/index/port.ts";
import { FakeDisk, type Operation } from "./fake-disk.ts";
import { digest, link, temporaryDirectory, transaction } from "./samples.ts";

const parse = parseRepositoryName;

async function seed(index: Index, names: readonly string[]): Promise<void> {
  for (const name of names) await index.apply(parse(name), transaction([link(digest(1))]));
}

/** A disk with these repositories, as a later process finds it. */
async function diskWith(names: readonly string[]): Promise<FakeDisk> {
  const disk = new FakeDisk();
  const index = new JournalIndex(disk, { directory: "/" });
  await seed(index, names);
  await index.close();
  return disk;
}

const open = (disk: FakeDisk) => new JournalIndex(disk, { directory: "/" });

async function all(index: Index, limit: number): Promise<string[]> {
  const names: string[] = [];
  for (let after: string | undefined; ; ) {
    const { items, next } = await index.repositories({ limit, after });
    names.push(...items);
    if (next === undefined) return names;
    after = next;
  }
}

/** What is done to the disk from now on. */
function watch(disk: FakeDisk): Operation[] {
  const seen: Operation[] = [];
  disk.fault = (operation) => {
    seen.push(operation);
  };
  return seen;
}

test("pages of any size, from any place, are those of the sorted names", async (t) => {
  const part = fc.constantFrom("a", "a-b", "a.b", "a0", "a_b", "b", "b-", "0").map((text) => `${text}x`);
  const name = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
  const cursor = fc.oneof(name, fc.string({ unit: fc.constantFrom("a", "b", "x", "-", "/", "~") }));
  const property = fc.asyncProperty(
    fc.uniqueArray(name, { maxLength: 12 }),
    fc.array(cursor, { maxLength: 4 }),
    fc.integer({ min: 1, max: 5 }),
    async (names, cursors, limit) => {
      const index = open(await diskWith(names));
      const sorted = names.toSorted((a, b) => (a < b ? -1 : 1));
      t.deepEqual(await all(index, limit), sorted);
      for (const after of cursors) {
        const rest = sorted.filter((name) => name > after);
        const { items, next } = await index.repositories({ limit, after });
        t.deepEqual([...items, next], [...rest.slice(0, limit), rest[limit] && rest[limit - 1]]);
      }
      await index.close();
    },
  );
  await fc.assert(property, { numRuns: 60 });
});

test("a page looks only into directories that it comes from, and reads no repository", async (t) => {
  const names = ["a", "b", "c"].flatMap((team) => [0, 1, 2, 3, 4].map((at) => `${team}/app${at}/x`));
  const disk = await diskWith(names);
  const seen = watch(disk);
  const page = await open(disk).repositories({ limit: 2, after: "b/app1/x" });
  t.deepEqual(page.items, ["b/app2/x", "b/app3/x"].map(parse));
  const listed = seen.flatMap(({ kind, path }) => (kind === "list" ? path.replace(/(?<=.)\/$/, "") : []));
  // One beyond the page tells whether another follows.
  t.deepEqual(
    listed.filter((path) => path.split("/").length < 4),
    ["/", "/b", "/b/app1", "/b/app2", "/b/app3", "/b/app4"],
  );
  t.deepEqual(
    seen.filter(({ kind }) => kind !== "list" && kind !== "size"),
    [],
  );
});

test("a repository is listed when its first change is durable", async (t) => {
  const disk = await diskWith(["b"]);
  const index = open(disk);
  const reached = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  disk.delay = async ({ kind, path }) => {
    if (kind !== "sync" || path !== "/a/_journal.jsonl") return;
    reached.resolve();
    await held.promise;
  };
  const change = index.apply(parse("a"), transaction([link(digest(1))]));
  await reached.promise;
  t.deepEqual(await all(index, 9), ["b"]);
  t.false(await index.exists(parse("a")));
  held.resolve();
  await change;
  t.deepEqual(await all(index, 9), ["a", "b"]);
  t.true(await index.exists(parse("a")));
  await index.close();
});

test("one whose first change could not be written does not exist, in this process or the next", async (t) => {
  const disk = new FakeDisk();
  const index = open(disk);
  disk.fault = ({ kind }) => {
    if (kind === "sync") throw new Error("EIO");
  };
  await t.throwsAsync(seed(index, ["a"]), { code: "UNAVAILABLE" });
  disk.fault = () => {};
  for (const one of [index, open(disk.afterPowerCut()), open(disk)]) {
    t.false(await one.exists(parse("a")));
    t.deepEqual(await all(one, 9), []);
    await one.close();
  }
});

test("one of which a crash has left half a line does not exist once it has been used", async (t) => {
  const disk = await diskWith(["a"]);
  const content = disk.content("/a/_journal.jsonl") ?? t.fail();
  disk.place("/a/_journal.jsonl", content.subarray(0, -10));
  const index = open(disk);
  t.is(await index.blob(parse("a"), digest(1)), undefined);
  t.false(await index.exists(parse("a")));
  t.deepEqual(await all(index, 9), []);
  await seed(index, ["a"]);
  t.true(await index.exists(parse("a")));
  await index.close();
});

test("one that has only a snapshot, or only the journal that was put aside, exists", async (t) => {
  for (const file of ["_snapshot.json", "_journal.old.jsonl"]) {
    const disk = await diskWith(["a"]);
    disk.place(`/a/${file}`, disk.content("/a/_journal.jsonl"));
    disk.place("/a/_journal.jsonl", undefined);
    const index = open(disk);
    t.true(await index.exists(parse("a")), file);
    t.deepEqual(await all(index, 9), ["a"]);
    await index.close();
  }
});

test("asking again and again for names that do not exist keeps nothing, and reads no file", async (t) => {
  const disk = await diskWith(["a"]);
  const index = open(disk);
  const seen = watch(disk);
  for (let at = 0; at < 50; at++) t.false(await index.exists(parse(`unknown${at}`)));
  t.deepEqual([...new Set(seen.map(({ kind }) => kind))], ["size"]);
  t.true(seen.length <= 150);
  await index.close();
});

test("one that is in memory is known to exist without a look at the disk", async (t) => {
  const disk = await diskWith(["a"]);
  const index = open(disk);
  await index.blob(parse("a"), digest(1));
  const seen = watch(disk);
  t.true(await index.exists(parse("a")));
  t.deepEqual(seen, []);
  await index.close();
});

test("directories that go while they are walked through are passed over", async (t) => {
  const disk = await diskWith(["a/x", "b/x", "c/x"]);
  const index = open(disk);
  disk.delay = async ({ kind, path }) => {
    if (kind === "list" && path === "/a/") disk.place("/b", undefined);
  };
  t.deepEqual(await all(index, 9), ["a/x", "c/x"]);
  await index.close();
});

test("what is not a repository is not listed, whoever put it there", async (t) => {
  const directory = await temporaryDirectory(t);
  const index = await openJournalIndex({ directory, durability: "os" });
  await seed(index, ["a/b", "c"]);
  const root = join(directory, "index");
  await mkdir(join(root, "Upper"));
  await writeFile(join(root, "Upper/_journal.jsonl"), "x");
  await mkdir(join(root, "empty/deep"), { recursive: true });
  await writeFile(join(root, "README"), "x");
  await writeFile(join(root, "file"), "x");
  t.deepEqual(await all(index, 1), ["a/b", "c"]);
  t.false(await index.exists(parse("file/x")));
  await index.close();
});
