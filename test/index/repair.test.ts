import test from "ava";
import { JournalIndex } from "../../src/index/journal.ts";
import { FakeDisk, Killed } from "./fake-disk.ts";
import { digest, LIBRARY, link, put, setTag, TestLog, tag, transaction } from "./samples.ts";

const JOURNAL = "/library/_journal.jsonl";
const OLD_JOURNAL = "/library/_journal.old.jsonl";
const SNAPSHOT = "/library/_snapshot.json";

function open(disk: FakeDisk, compactAbove = Number.POSITIVE_INFINITY) {
  const log = new TestLog();
  return { index: new JournalIndex(disk, { directory: "/", log, compactAbove }), log };
}

/** A repository with a snapshot of two images, and two more, and a tag, in its journal. */
async function library(): Promise<FakeDisk> {
  const disk = new FakeDisk();
  const image = (at: number) => [
    link(digest(at)),
    put(digest(10 + at), [digest(at)]),
    setTag(`v${at}`, digest(10 + at)),
  ];
  const compacting = open(disk, 0).index;
  await compacting.apply(LIBRARY, transaction([...image(1), ...image(2)]));
  await compacting.close();
  const { index } = open(disk);
  for (const at of [3, 4]) await index.apply(LIBRARY, transaction(image(at)));
  await index.close();
  return disk;
}

/** Changes a byte in the lines that have a text, as rot does. */
function rot(disk: FakeDisk, file: string, text: string): void {
  const lines = String(disk.content(file)).split("\n");
  if (!lines.some((line) => line.includes(text))) throw new Error(`no ${text} in ${file}`);
  const rotten = lines.map((line) => (line.includes(text) ? line.replace('"sum"', '"sun"') : line));
  disk.place(file, Buffer.from(rotten.join("\n")));
}

/** All that an index says, to the last detail. */
async function viewOf(index: JournalIndex) {
  const { items: blobs } = await index.blobs(LIBRARY, { limit: 100 });
  const { items: manifests } = await index.manifests(LIBRARY, { limit: 100 });
  const { items: tags } = await index.tags(LIBRARY, { limit: 100 });
  return { blobs, manifests, tags, repositories: (await index.repositories({ limit: 10 })).items };
}

async function read(disk: FakeDisk) {
  const { index, log } = open(disk);
  const view = await viewOf(index);
  await index.close();
  return { view, damage: log.damage };
}

const named = async (disk: FakeDisk, pattern: RegExp) =>
  (await disk.list("/library")).filter((name) => pattern.test(name)).sort();

test("a damaged repository is whole again with all that could be read, and what was before is kept", async (t) => {
  const disk = await library();
  rot(disk, JOURNAL, '"v3"');
  rot(disk, SNAPSHOT, '{"manifest"');
  const before = await read(disk);
  const files = [SNAPSHOT, JOURNAL].map((file) => disk.content(file));
  t.true(before.damage.length >= 2);
  const { index } = open(disk);
  t.false(await index.intact(LIBRARY));
  const kept = await index.repair(LIBRARY);
  t.true(await index.intact(LIBRARY));
  t.deepEqual(
    kept.map((file) => disk.content(file)),
    files,
  );
  t.is(await index.remains(LIBRARY), undefined);
  t.deepEqual(await index.repair(LIBRARY), []);
  await index.apply(LIBRARY, transaction([link(digest(9))]));
  await index.close();
  const { view, damage } = await read(disk);
  t.deepEqual(damage, []);
  t.deepEqual({ ...view, blobs: view.blobs.slice(1) }, before.view);
  t.deepEqual(await named(disk, /damaged-\d{8}T\d{9}Z/), kept.map((file) => file.split("/").at(-1)).sort());
});

test("what damaged lines have put, linked and set is told, unless a later line takes it away", async (t) => {
  const disk = await library();
  const { index } = open(disk);
  const changes = [{ type: "blobLinked", digest: digest(5), size: 1, mediaType: "a/b" } as const];
  await index.apply(
    LIBRARY,
    transaction([...changes, put(digest(15), [digest(5)]), setTag("v5", digest(15))]),
  );
  await index.apply(LIBRARY, transaction([{ type: "manifestDeleted", digest: digest(14) }]));
  await index.apply(LIBRARY, transaction([{ type: "blobUnlinked", digest: digest(4) }]));
  await index.close();
  for (const text of ['"tag":"v3"', '"tag":"v4"', '"tag":"v5"']) rot(disk, JOURNAL, text);
  rot(disk, SNAPSHOT, '{"manifest"');
  rot(disk, SNAPSHOT, '{"blob"');
  rot(disk, SNAPSHOT, '{"tag"');
  const { damaged, ...remains } = (await open(disk).index.remains(LIBRARY)) ?? t.fail();
  t.true(damaged.some(({ file, line }) => file === JOURNAL && line === 1));
  t.deepEqual(new Set(remains.manifests), new Set([11, 12, 13, 15].map(digest)));
  t.deepEqual(new Set(remains.blobs), new Set([1, 2, 3, 5].map(digest)));
  t.deepEqual(
    new Map(remains.tags.map((each) => [each.tag, each.digest])),
    new Map([1, 2, 3, 5].map((at) => [tag(`v${at}`), digest(10 + at)])),
  );
});

test("a repository of which nothing can be read is still there afterwards, and takes changes", async (t) => {
  const disk = await library();
  for (const file of [SNAPSHOT, JOURNAL]) disk.place(file, Buffer.from("nothing\nof it\n"));
  const { index } = open(disk);
  await t.throwsAsync(index.apply(LIBRARY, transaction([link(digest(1))])), { code: "UNAVAILABLE" });
  t.is((await index.repair(LIBRARY)).length, 2);
  await index.close();
  const { index: again } = open(disk);
  t.deepEqual((await again.repositories({ limit: 10 })).items, [LIBRARY]);
  t.true(await again.intact(LIBRARY));
  await again.apply(LIBRARY, transaction([link(digest(1))]));
  await again.close();
  t.deepEqual((await read(disk)).damage, []);
});

for (const [title, chance] of [
  ["only what was synced", () => false],
  ["everything", () => true],
] as const) {
  test(`a power cut at each step of a repair that leaves ${title} loses nothing, and the next one ends it`, async (t) => {
    const damaged = async () => {
      const disk = await library();
      // As a compaction leaves it that was broken off.
      disk.place(OLD_JOURNAL, disk.content(JOURNAL));
      disk.place(JOURNAL, undefined);
      rot(disk, OLD_JOURNAL, '"v3"');
      rot(disk, SNAPSHOT, '{"tag"');
      return disk;
    };
    let finished = false;
    for (let count = 0; !finished; count += 1) {
      const disk = await damaged();
      const { view: expected } = await read(disk);
      const first = disk.operations;
      let left: FakeDisk | undefined;
      disk.fault = ({ number }) => {
        if (number <= first + count) return;
        left ??= disk.afterPowerCut(chance);
        throw new Killed();
      };
      const repairing = open(disk).index.repair(LIBRARY);
      finished = await repairing.then(
        () => left === undefined,
        () => false,
      );
      const after = left ?? disk.afterPowerCut(chance);
      t.deepEqual((await read(after)).view, expected, `stopped after ${count}`);
      const { index } = open(after);
      await index.repair(LIBRARY);
      await index.close();
      t.deepEqual(await read(after), { view: expected, damage: [] }, `stopped after ${count}`);
    }
  });
}
