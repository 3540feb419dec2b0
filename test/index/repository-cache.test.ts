import test from "ava";
import { parseRepositoryName, type RepositoryName } from "../../src/core/name.ts";
import { JournalIndex } from "../../src/index/journal.ts";
import { FakeDisk } from "./fake-disk.ts";
import { digest, link, transaction } from "./samples.ts";

const names = (count: number): RepositoryName[] =>
  Array.from({ length: count }, (_, at) => parseRepositoryName(`team${at % 3}/app${at}`));

/** Counts how often each repository's journal is read. */
function countReads(disk: FakeDisk): Map<string, number> {
  const reads = new Map<string, number>();
  disk.fault = ({ kind, path }) => {
    const name = /^\/(.*)\/_journal\.jsonl$/.exec(path)?.[1];
    if (kind === "read" && name !== undefined) reads.set(name, (reads.get(name) ?? 0) + 1);
  };
  return reads;
}

async function seeded(repositories: readonly RepositoryName[]): Promise<FakeDisk> {
  const disk = new FakeDisk();
  const index = new JournalIndex(disk, { directory: "/" });
  for (const [at, name] of repositories.entries()) await index.apply(name, transaction([link(digest(at))]));
  await index.close();
  return disk;
}

test("a repository is read once, however many ask for it at the same time", async (t) => {
  const [name] = names(1) as [RepositoryName];
  const disk = await seeded([name]);
  const reads = countReads(disk);
  const index = new JournalIndex(disk, { directory: "/" });
  const answers = await Promise.all(Array.from({ length: 50 }, () => index.blob(name, digest(0))));
  t.true(answers.every((entry) => entry?.digest === digest(0)));
  t.is(reads.get(name), 1);
  await index.close();
});

test("repositories that were not used for long leave memory, and close their files", async (t) => {
  const all = names(6);
  const disk = await seeded(all);
  const reads = countReads(disk);
  // Each counts for 250 entries at least: room for three.
  const index = new JournalIndex(disk, { directory: "/", cacheSize: 750 });
  for (const name of all) await index.apply(name, transaction([link(digest(100))]));
  await new Promise((resolve) => setImmediate(resolve));
  t.is(disk.handles.length, 3);
  for (const name of all.slice(3)) await index.blob(name, digest(100));
  t.deepEqual([...reads.values()], [1, 1, 1, 1, 1, 1]);
  for (const name of all.slice(0, 3)) await index.blob(name, digest(100));
  t.deepEqual([...reads.values()], [2, 2, 2, 1, 1, 1]);
  await index.close();
  t.deepEqual(disk.handles, []);
});

test("one that is used again and again stays, whatever else is used in between", async (t) => {
  const [hot, ...others] = names(20) as [RepositoryName, ...RepositoryName[]];
  const disk = await seeded([hot, ...others]);
  const reads = countReads(disk);
  const index = new JournalIndex(disk, { directory: "/", cacheSize: 750 });
  for (const name of others) {
    await index.blob(hot, digest(0));
    await index.blob(name, digest(0));
  }
  t.is(reads.get(hot), 1);
  await index.close();
});

test("a repository larger than all of the memory stays beside some others, and leaves when it is cold", async (t) => {
  const [giant, ...others] = names(8) as [RepositoryName, ...RepositoryName[]];
  const disk = await seeded([giant, ...others]);
  const index = new JournalIndex(disk, { directory: "/", cacheSize: 1000 });
  await index.apply(giant, transaction(Array.from({ length: 3000 }, (_, at) => link(digest(at)))));
  const reads = countReads(disk);
  for (const name of others.slice(0, 2)) await index.blob(name, digest(0));
  t.not(await index.blob(giant, digest(2999)), undefined);
  t.is(reads.get(giant), undefined);
  for (const name of others) await index.blob(name, digest(0));
  t.not(await index.blob(giant, digest(2999)), undefined);
  t.is(reads.get(giant), 1);
  await index.close();
});

test("names that nobody has pushed to drive nothing out of memory", async (t) => {
  const [known] = names(1) as [RepositoryName];
  const disk = await seeded([known]);
  const index = new JournalIndex(disk, { directory: "/", cacheSize: 500 });
  await index.blob(known, digest(0));
  const reads = countReads(disk);
  for (let at = 0; at < 50; at++) await index.blob(parseRepositoryName(`unknown${at}`), digest(0));
  await index.blob(known, digest(0));
  t.is(reads.get(known), undefined);
  await index.close();
});

test("one in use is neither closed nor opened twice, and loses nothing under load", async (t) => {
  const all = names(12);
  const disk = new FakeDisk();
  const index = new JournalIndex(disk, { directory: "/", cacheSize: 1, compactAbove: 2000 });
  let twice = false;
  disk.fault = ({ kind }) => {
    if (kind === "write") twice ||= new Set(disk.handles).size < disk.handles.length;
  };
  let random = 7;
  const next = (below: number) => {
    random = (random * 48271) % 2147483647;
    return random % below;
  };
  const expected = new Map(all.map((name) => [name, new Set<string>()]));
  const workers = Array.from({ length: 8 }, async (_, worker) => {
    for (let at = 0; at < 60; at++) {
      const name = all[next(all.length)] ?? t.fail();
      const blob = digest(worker * 1000 + at);
      await index.apply(name, transaction([link(blob)]));
      expected.get(name)?.add(blob);
      if ((await index.blob(name, blob)) === undefined) t.fail("not there after it was acknowledged");
    }
  });
  await Promise.all(workers);
  t.false(twice);
  await index.close();
  t.deepEqual(disk.handles, []);
  const again = new JournalIndex(disk, { directory: "/" });
  for (const name of all) {
    const { items } = await again.blobs(name, { limit: 1000 });
    t.deepEqual(items.map((item) => item.digest as string).sort(), [...(expected.get(name) ?? [])].sort());
  }
});
