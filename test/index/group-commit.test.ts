import test from "ava";
import { JournalIndex } from "../../src/index/journal.ts";
import { FakeDisk, type Operation } from "./fake-disk.ts";
import { digest, LIBRARY, link, put, setTag, tag, transaction } from "./samples.ts";

const JOURNAL = "/library/_journal.jsonl";

/** An index whose journal is open, and the operations on its file from then on. */
async function openWithJournal(): Promise<{ disk: FakeDisk; index: JournalIndex; seen: Operation[] }> {
  const disk = new FakeDisk();
  const index = new JournalIndex(disk, { directory: "/" });
  await index.apply(LIBRARY, transaction([link(digest(0))]));
  const seen: Operation[] = [];
  disk.fault = (operation) => {
    if (operation.path === JOURNAL) seen.push(operation);
  };
  return { disk, index, seen };
}

const kinds = (operations: readonly Operation[]) => operations.map((operation) => operation.kind);

/** Holds the disk at its next sync of the journal until told to go on. */
function holdAtSync(disk: FakeDisk): { reached: Promise<void>; release: () => void } {
  const reached = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  disk.delay = async ({ kind, path }) => {
    if (kind !== "sync" || path !== JOURNAL) return;
    reached.resolve();
    await held.promise;
  };
  return { reached: reached.promise, release: held.resolve };
}

test("a change costs one write and one sync", async (t) => {
  const { index, seen } = await openWithJournal();
  for (let at = 1; at <= 3; at++) await index.apply(LIBRARY, transaction([link(digest(at))]));
  t.deepEqual(kinds(seen), ["write", "sync", "write", "sync", "write", "sync"]);
  await index.close();
});

test("changes that come together share one write and one sync", async (t) => {
  const { index, seen } = await openWithJournal();
  await Promise.all(
    Array.from({ length: 50 }, (_, at) => index.apply(LIBRARY, transaction([link(digest(at + 1))]))),
  );
  t.deepEqual(kinds(seen), ["write", "sync"]);
  await index.close();
});

test("changes that come while a sync runs share the next one", async (t) => {
  const { disk, index, seen } = await openWithJournal();
  const { reached, release } = holdAtSync(disk);
  const first = index.apply(LIBRARY, transaction([link(digest(1))]));
  await reached;
  const others = Array.from({ length: 20 }, (_, at) =>
    index.apply(LIBRARY, transaction([link(digest(at + 2))])),
  );
  release();
  await Promise.all([first, ...others]);
  t.deepEqual(kinds(seen), ["write", "sync", "write", "sync"]);
  await index.close();
});

test("readers see an entry only when it is durable, and others without waiting", async (t) => {
  const { disk, index } = await openWithJournal();
  const { reached, release } = holdAtSync(disk);
  const change = index.apply(
    LIBRARY,
    transaction([link(digest(1)), put(digest(2), [], { subject: digest(3) }), setTag("v1", digest(2))]),
  );
  await reached;
  const order: string[] = [];
  const note = (what: string) => () => order.push(what);
  const fresh = [
    Promise.resolve(index.blob(LIBRARY, digest(1))).then((entry) =>
      order.push(`blob ${entry !== undefined}`),
    ),
    Promise.resolve(index.manifest(LIBRARY, digest(2))).then((entry) =>
      order.push(`manifest ${entry !== undefined}`),
    ),
    Promise.resolve(index.tag(LIBRARY, tag("v1"))).then((entry) => order.push(`tag ${entry !== undefined}`)),
    index.blobs(LIBRARY, { limit: 9 }).then(({ items }) => order.push(`blobs ${items.length}`)),
    index.manifests(LIBRARY, { limit: 9 }).then(({ items }) => order.push(`manifests ${items.length}`)),
    index.tags(LIBRARY, { limit: 9 }).then(({ items }) => order.push(`tags ${items.length}`)),
    index
      .referrers(LIBRARY, digest(3), { limit: 9 })
      .then(({ items }) => order.push(`referrers ${items.length}`)),
  ];
  await Promise.resolve(index.blob(LIBRARY, digest(0))).then(note("old blob"));
  await Promise.resolve(index.blob(LIBRARY, digest(7))).then(note("unknown blob"));
  t.deepEqual(order, ["old blob", "unknown blob"]);
  release();
  await Promise.all([change, ...fresh]);
  t.deepEqual(order.slice(2).sort(), [
    "blob true",
    "blobs 2",
    "manifest true",
    "manifests 1",
    "referrers 1",
    "tag true",
    "tags 1",
  ]);
  await index.close();
});

test("pages are answered while changes never stop coming", async (t) => {
  const { index, seen } = await openWithJournal();
  let on = true;
  const writers = Array.from({ length: 4 }, async (_, writer) => {
    for (let at = 0; on; at++)
      await index.apply(LIBRARY, transaction([setTag(`${writer}-${at}`, digest(writer))]));
  });
  const syncs = () => seen.filter(({ kind }) => kind === "sync").length;
  let last = 0;
  for (let round = 0; round < 20; round++) {
    const before = syncs();
    const { items } = await index.tags(LIBRARY, { limit: 1000 });
    // The batch that is being written, the one behind it, and the one that may begin when that is done.
    t.true(syncs() - before <= 3);
    t.true(items.length >= last);
    last = items.length;
    t.is((await index.repositories({ limit: 9 })).items.length, 1);
  }
  t.true(last > 0);
  on = false;
  await Promise.all(writers);
  await index.close();
});

test("an entry that changed twice is seen when the second change is durable", async (t) => {
  const { disk, index } = await openWithJournal();
  const first = holdAtSync(disk);
  const set = index.apply(LIBRARY, transaction([setTag("v1", digest(1))]));
  await first.reached;
  const moved = index.apply(LIBRARY, transaction([setTag("v1", digest(2))]));
  const second = holdAtSync(disk);
  first.release();
  await set;
  await second.reached;
  let told = false;
  const reader = Promise.resolve(index.tag(LIBRARY, tag("v1"))).then((entry) => {
    told = true;
    return entry?.digest;
  });
  await new Promise((resolve) => setImmediate(resolve));
  t.false(told);
  second.release();
  await moved;
  t.is(await reader, digest(2));
  await index.close();
});

test("an entry that is being removed is there until its removal is durable", async (t) => {
  const { disk, index } = await openWithJournal();
  const { reached, release } = holdAtSync(disk);
  const removal = index.apply(LIBRARY, transaction([{ type: "blobUnlinked", digest: digest(0) }]));
  await reached;
  let told = false;
  const reader = Promise.resolve(index.blob(LIBRARY, digest(0))).then((entry) => {
    told = true;
    return entry;
  });
  await new Promise((resolve) => setImmediate(resolve));
  t.false(told);
  release();
  await removal;
  t.is(await reader, undefined);
  await index.close();
});

const IMAGE = digest(11);
const [SIGNATURE, OTHER] = [digest(12), digest(13)];

for (const [what, before, change] of [
  ["its tag is moved away", [], setTag("v1", OTHER)],
  ["its tag is deleted", [], { type: "tagDeleted", tag: tag("v1") }],
  ["it is tagged again", [{ type: "tagDeleted", tag: tag("v1") }], setTag("v2", SIGNATURE)],
  ["its subject is deleted", [], { type: "manifestDeleted", digest: IMAGE }],
  ["its subject is back", [{ type: "manifestDeleted", digest: IMAGE }], put(IMAGE)],
] as const) {
  test(`that ${what} is seen in a manifest when it is durable`, async (t) => {
    const { disk, index } = await openWithJournal();
    const signature = put(SIGNATURE, [], { subject: IMAGE });
    await index.apply(LIBRARY, transaction([put(IMAGE), put(OTHER), signature, setTag("v1", SIGNATURE)]));
    await index.apply(LIBRARY, transaction(before));
    const entry = await index.manifest(LIBRARY, SIGNATURE);
    const { reached, release } = holdAtSync(disk);
    const changed = index.apply(LIBRARY, transaction([change]));
    await reached;
    let told = false;
    const reader = Promise.resolve(index.manifest(LIBRARY, SIGNATURE)).then((found) => {
      told = true;
      return found;
    });
    await new Promise((resolve) => setImmediate(resolve));
    t.false(told);
    release();
    await changed;
    t.notDeepEqual(await reader, entry);
    await index.close();
  });
}

test("what changes nothing, and what is refused, waits for what it was decided upon", async (t) => {
  const { disk, index } = await openWithJournal();
  const { reached, release } = holdAtSync(disk);
  const order: string[] = [];
  const change = index
    .apply(LIBRARY, transaction([setTag("v1", digest(1))]))
    .then(() => order.push("change"));
  await reached;
  const requires = [{ type: "tagAt", tag: tag("v1"), digest: null } as const];
  const same = index.apply(LIBRARY, transaction([setTag("v1", digest(1))])).then(() => order.push("same"));
  const refused = t
    .throwsAsync(index.apply(LIBRARY, transaction([setTag("v1", digest(2))], requires)))
    .then(() => order.push("refused"));
  await new Promise((resolve) => setImmediate(resolve));
  t.deepEqual(order, []);
  release();
  await Promise.all([change, same, refused]);
  t.is(order[0], "change");
  await index.close();
});
