import test from "ava";
import fc from "fast-check";
import { isLayerdError } from "../../src/core/errors.ts";
import { JournalIndex } from "../../src/index/journal.ts";
import type { Transaction } from "../../src/index/port.ts";
import { FakeDisk, type Operation, type OperationKind, ShortWrite } from "./fake-disk.ts";
import { Model, viewOf } from "./model.ts";
import { digest, LIBRARY, link, setTag, TestLog, tag, transaction } from "./samples.ts";
import { someTransaction, TAGS } from "./some-transaction.ts";

const JOURNAL = "/library/_journal.jsonl";

function open(disk: FakeDisk, cacheSize?: number): JournalIndex {
  return new JournalIndex(disk, { directory: "/", ...(cacheSize !== undefined && { cacheSize }) });
}

async function openWithBlob(): Promise<{ disk: FakeDisk; index: JournalIndex; content: Buffer }> {
  const disk = new FakeDisk();
  const index = open(disk);
  await index.apply(LIBRARY, transaction([link(digest(0))]));
  return { disk, index, content: disk.content(JOURNAL) ?? Buffer.alloc(0) };
}

/** Makes the next operation of that kind on the journal fail, once. */
function failOnce(disk: FakeDisk, kind: OperationKind, error: Error = new Error("EIO")): void {
  disk.fault = (operation) => {
    if (operation.kind !== kind || operation.path !== JOURNAL) return;
    disk.fault = () => {};
    throw error;
  };
}

const FAILURES: readonly (readonly [string, OperationKind, Error])[] = [
  ["an append that fails", "write", new Error("EIO")],
  ["an append that comes to an end in the middle of a line", "write", new ShortWrite(50)],
  ["an append that comes to an end after the first of two lines", "write", new ShortWrite(300)],
  ["a sync that fails", "sync", new Error("EIO")],
];

for (const [title, kind, error] of FAILURES) {
  test(`${title} takes back everything that was queued, and the next change is written`, async (t) => {
    const { disk, index, content } = await openWithBlob();
    failOnce(disk, kind, error);
    const queued = [1, 2, 3].map((at) => index.apply(LIBRARY, transaction([link(digest(at))])));
    for (const one of queued) await t.throwsAsync(one, { code: "UNAVAILABLE" });
    t.deepEqual(disk.content(JOURNAL), content);
    const items = async (from: JournalIndex) =>
      (await from.blobs(LIBRARY, { limit: 9 })).items.map((item) => item.digest);
    t.deepEqual(await items(index), [digest(0)]);
    await index.apply(LIBRARY, transaction([link(digest(4))]));
    t.deepEqual(await items(index), [digest(4), digest(0)]);
    t.deepEqual(await items(open(disk.afterPowerCut())), [digest(4), digest(0)]);
    await index.close();
  });
}

test("a change that was refused does not come back after a power cut, though it had reached the platter", async (t) => {
  const { disk, index } = await openWithBlob();
  disk.failedSyncsReachThePlatter = true;
  failOnce(disk, "sync");
  await t.throwsAsync(index.apply(LIBRARY, transaction([link(digest(1))])), { code: "UNAVAILABLE" });
  t.is(await open(disk.afterPowerCut()).blob(LIBRARY, digest(1)), undefined);
  await index.close();
});

test("lines that waited behind a write that failed are taken back with it", async (t) => {
  const { disk, index } = await openWithBlob();
  const writing = Promise.withResolvers<void>();
  disk.delay = async ({ kind }) => {
    if (kind === "write") writing.resolve();
  };
  failOnce(disk, "sync");
  const first = index.apply(LIBRARY, transaction([setTag("a", digest(1))]));
  await writing.promise;
  const second = index.apply(LIBRARY, transaction([setTag("b", digest(1))]));
  await t.throwsAsync(first, { code: "UNAVAILABLE" });
  await t.throwsAsync(second, { code: "UNAVAILABLE" });
  t.is(await index.tag(LIBRARY, tag("b")), undefined);
  await index.close();
});

test("a reader who waited for a write that failed sees what was there before", async (t) => {
  const { disk, index } = await openWithBlob();
  failOnce(disk, "sync");
  const removal = index.apply(LIBRARY, transaction([{ type: "blobUnlinked", digest: digest(0) }]));
  await new Promise((resolve) => setImmediate(resolve));
  const readers = [
    Promise.resolve(index.blob(LIBRARY, digest(0))).then((entry) => entry?.digest),
    index.blobs(LIBRARY, { limit: 1 }).then(({ items }) => items[0]?.digest),
  ];
  await t.throwsAsync(removal, { code: "UNAVAILABLE" });
  t.deepEqual(await Promise.all(readers), [digest(0), digest(0)]);
  await index.close();
});

test("what was refused because of a change that then failed is tried again", async (t) => {
  const { disk, index } = await openWithBlob();
  failOnce(disk, "sync");
  const first = index.apply(LIBRARY, transaction([setTag("v1", digest(1))]));
  await new Promise((resolve) => setImmediate(resolve));
  const requires = [{ type: "tagAt", tag: tag("v1"), digest: null } as const];
  const second = index.apply(LIBRARY, transaction([setTag("v1", digest(2))], requires));
  const same = index.apply(LIBRARY, transaction([{ type: "blobUnlinked", digest: digest(7) }]));
  await t.throwsAsync(first, { code: "UNAVAILABLE" });
  await second;
  await same;
  t.is((await index.tag(LIBRARY, tag("v1")))?.digest, digest(2));
  await index.close();
});

test("when the file cannot be cut back either, what was taken back stays out of sight", async (t) => {
  const { disk, index, content } = await openWithBlob();
  const broken = new Set<OperationKind>(["sync", "truncate"]);
  disk.fault = ({ kind, path }) => {
    if (path === JOURNAL && broken.has(kind)) throw new Error("EIO");
  };
  await t.throwsAsync(index.apply(LIBRARY, transaction([link(digest(1))])), { code: "UNAVAILABLE" });
  t.true((disk.content(JOURNAL)?.length ?? 0) > content.length);
  t.is(await index.blob(LIBRARY, digest(1)), undefined);
  t.is((await index.blob(LIBRARY, digest(0)))?.digest, digest(0));
  await t.throwsAsync(index.apply(LIBRARY, transaction([link(digest(2))])), { code: "UNAVAILABLE" });
  disk.fault = () => {};
  await index.apply(LIBRARY, transaction([link(digest(3))]));
  await index.close();
  const { items } = await open(disk).blobs(LIBRARY, { limit: 9 });
  t.deepEqual(
    items.map((item) => item.digest),
    [digest(3), digest(0)],
  );
});

test("a repository whose file could not be cut back is not forgotten, however many others are used", async (t) => {
  const disk = new FakeDisk();
  const index = open(disk, 1);
  await index.apply(LIBRARY, transaction([link(digest(0))]));
  disk.fault = ({ kind, path }) => {
    if (path === JOURNAL && (kind === "sync" || kind === "truncate")) throw new Error("EIO");
  };
  await t.throwsAsync(index.apply(LIBRARY, transaction([link(digest(1))])), { code: "UNAVAILABLE" });
  for (const name of ["a", "b", "c"])
    await index.apply(name as typeof LIBRARY, transaction([link(digest(2))]));
  t.is(await index.blob(LIBRARY, digest(1)), undefined);
  disk.fault = () => {};
  await index.close();
  t.is(await open(disk).blob(LIBRARY, digest(1)), undefined);
});

test("on a full disk, changes fail without the repository being read again and again", async (t) => {
  const { disk, index } = await openWithBlob();
  const seen: Operation[] = [];
  disk.fault = (operation) => {
    seen.push(operation);
    if (operation.kind === "write") throw new ShortWrite(10);
  };
  for (let at = 1; at <= 10; at++) {
    await t.throwsAsync(index.apply(LIBRARY, transaction([link(digest(at))])), { code: "UNAVAILABLE" });
  }
  // Once, after the first failure: three files.
  t.is(seen.filter(({ kind }) => kind === "read").length, 3);
  t.not(await index.blob(LIBRARY, digest(0)), undefined);
  disk.fault = () => {};
  await index.apply(LIBRARY, transaction([link(digest(1))]));
  await index.close();
  t.not(await open(disk).blob(LIBRARY, digest(1)), undefined);
});

test("a repository that cannot be created is not there, until it can be", async (t) => {
  const disk = new FakeDisk();
  const index = open(disk);
  disk.fault = ({ kind }) => {
    if (kind === "makeDirectory") throw new Error("ENOSPC");
  };
  const name = "a/b/c" as typeof LIBRARY;
  await t.throwsAsync(index.apply(name, transaction([link(digest(1))])), { code: "UNAVAILABLE" });
  t.is(await index.blob(name, digest(1)), undefined);
  disk.fault = () => {};
  await index.apply(name, transaction([link(digest(1))]));
  t.not(await open(disk.afterPowerCut()).blob(name, digest(1)), undefined);
  await index.close();
});

test("a repository that cannot be read is unavailable, not empty", async (t) => {
  const { disk, index } = await openWithBlob();
  await index.close();
  const again = open(disk);
  disk.fault = ({ kind }) => {
    if (kind === "read") throw new Error("EIO");
  };
  await t.throwsAsync(Promise.resolve(again.blob(LIBRARY, digest(0))), { code: "UNAVAILABLE" });
  await t.throwsAsync(again.apply(LIBRARY, transaction([link(digest(1))])), { code: "UNAVAILABLE" });
  disk.fault = () => {};
  t.not(await again.blob(LIBRARY, digest(0)), undefined);
  await again.close();
});

test("a journal that has lost bytes under a running server is reported, not continued behind a gap", async (t) => {
  const disk = new FakeDisk();
  const log = new TestLog();
  const index = new JournalIndex(disk, { directory: "/", log });
  for (const at of [0, 1]) await index.apply(LIBRARY, transaction([link(digest(at))]));
  failOnce(disk, "sync");
  const content = disk.content(JOURNAL) ?? t.fail();
  await t.throwsAsync(index.apply(LIBRARY, transaction([link(digest(2))])));
  disk.place(JOURNAL, content.subarray(0, content.indexOf("\n") + 20));
  t.deepEqual(
    (await index.blobs(LIBRARY, { limit: 9 })).items.map((item) => item.digest),
    [digest(0)],
  );
  t.deepEqual(log.damage, ["_journal.jsonl:2"]);
  await index.apply(LIBRARY, transaction([link(digest(3))]));
  await index.close();
  t.not(await open(disk).blob(LIBRARY, digest(3)), undefined);
});

/** Faults by the list: each operation takes the next number, and fails when it is small. */
function faultsBy(numbers: readonly number[]): (operation: Operation) => void {
  let at = 0;
  return ({ kind }) => {
    const number = numbers[at++ % numbers.length] ?? 9;
    if (number > 1) return;
    throw kind === "write" && number === 1 ? new ShortWrite(numbers.length * 7) : new Error("EIO");
  };
}

async function outcome(index: JournalIndex, one: Transaction): Promise<string | undefined> {
  try {
    await index.apply(LIBRARY, one);
    return undefined;
  } catch (error) {
    if (isLayerdError(error)) return error.code;
    throw error;
  }
}

const someFaults = fc.array(fc.nat(9), { minLength: 1, maxLength: 60 });

test("whatever fails, a change is applied whole or not at all, and the answer says which", async (t) => {
  const arbitraries = [fc.array(someTransaction, { maxLength: 30 }), someFaults, fc.nat(3000)] as const;
  await fc.assert(
    fc.asyncProperty(...arbitraries, async (transactions, numbers, compactAbove) => {
      const disk = new FakeDisk();
      const index = new JournalIndex(disk, { directory: "/", compactAbove, cacheSize: 1 });
      const model = new Model();
      const faults = faultsBy(numbers);
      for (const one of transactions) {
        disk.fault = faults;
        const answer = await outcome(index, one);
        if (answer !== "UNAVAILABLE") t.is(answer, model.apply(one));
        disk.fault = () => {};
        t.deepEqual(await viewOf(index, LIBRARY), model.view());
      }
      await index.close();
      t.deepEqual(await viewOf(open(disk.killed()), LIBRARY), model.view());
      t.deepEqual(await viewOf(open(disk.afterPowerCut()), LIBRARY), model.view());
    }),
    { numRuns: 150 },
  );
});

test("the same holds for changes that are queued together", async (t) => {
  const groups = fc.array(fc.array(fc.nat(5), { minLength: 1, maxLength: 4 }), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(groups, someFaults, fc.nat(2000), async (groups, numbers, compactAbove) => {
      const disk = new FakeDisk();
      const index = new JournalIndex(disk, { directory: "/", compactAbove });
      const model = new Model();
      const faults = faultsBy(numbers);
      for (const group of groups) {
        disk.fault = faults;
        // Each has a tag of its own, so that the order in which they are tried again does not matter.
        const all = group.map((number, at) => transaction([setTag(TAGS[at] ?? "", digest(number))]));
        const answers = await Promise.all(all.map((one) => outcome(index, one)));
        for (const [at, one] of all.entries()) if (answers[at] === undefined) model.apply(one);
        disk.fault = () => {};
        t.deepEqual(await viewOf(index, LIBRARY), model.view());
      }
      await index.close();
      t.deepEqual(await viewOf(open(disk.afterPowerCut()), LIBRARY), model.view());
    }),
    { numRuns: 100 },
  );
});
