import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { createMemoryBlobs } from "../../src/blobs/memory.ts";
import type { RepositoryRule } from "../../src/core/rules.ts";
import { openJournalIndex } from "../../src/index/journal.ts";
import { encodeLine } from "../../src/index/line.ts";
import { repositoryPaths } from "../../src/index/paths.ts";
import type { RecordedChange } from "../../src/index/port.ts";
import type { Verdict } from "../../src/registry/gc/collected.ts";
import { keptUntil } from "../../src/registry/gc/keeping.ts";
import { digest, put, setTag, tag, temporaryDirectory } from "../index/samples.ts";
import { TEAM, World } from "./world.ts";

/* How long a manifest is kept, in repositories with a past. The grace period is a day. */

const DAY = 86_400_000;
const NOW = Date.now();
const [IMAGE, SIGNATURE, OTHER] = [digest(1), digest(2), digest(3)];

function daysAgo(days: number): string {
  return new Date(NOW - days * DAY).toISOString();
}

type Past = readonly (readonly [days: number, ...changes: RecordedChange[]])[];

const pushed = (...about: Parameters<typeof put>) => put(...about) as RecordedChange;
const tagged = (name: string, manifest = IMAGE) =>
  ({ ...setTag(name, manifest), was: null }) as RecordedChange;
const untagged = (name: string, was = IMAGE) => ({ type: "tagDeleted", tag: tag(name), was }) as const;
const deleted = () => ({ type: "manifestDeleted", digest: IMAGE, tags: [] }) as const;

/** What a collection would remove of a repository in which all that has happened, each thing so many days ago. */
async function leaving(
  t: ExecutionContext,
  past: Past,
  rule: Omit<RepositoryRule, "repositories"> = {},
): Promise<string[]> {
  const directory = await temporaryDirectory(t);
  const { journal } = repositoryPaths(join(directory, "index"), TEAM);
  await mkdir(dirname(journal), { recursive: true });
  const lines = past.map(([days, ...changes], number) =>
    encodeLine({ seq: number + 1, at: daysAgo(days), who: "ann", changes }),
  );
  await writeFile(journal, lines.join(""));
  const index = await openJournalIndex({ directory, durability: "os" });
  const stores = { blobs: createMemoryBlobs({ limit: 1e6 }), index };
  const world = new World(stores, [{ repositories: ["**"], ...rule }], DAY, DAY);
  const planned: Verdict[] = [];
  const options = { nothingPromised: true, report: (verdict: Verdict) => void planned.push(verdict) };
  const plan = await world.collector.collect({ ...options, dryRun: true });
  const would = planned.splice(0);
  t.deepEqual(await world.collector.collect(options), plan);
  t.deepEqual(planned, would);
  await index.close();
  return planned.map((verdict) => `${Number(verdict.digest.slice(-2))}: ${verdict.why}`);
}

function on(days: number): string {
  return `${daysAgo(days).slice(0, 16).replace("T", " ")} UTC`;
}

const MONTH = { keepUntagged: 30 * DAY };

test("a manifest that had a tag is kept for so long after it lost the last one", async (t) => {
  const past = (days: number): Past => [
    [400, pushed(IMAGE), tagged("v1"), tagged("v2")],
    [200, untagged("v1")],
    [days, untagged("v2")],
  ];
  t.deepEqual(await leaving(t, past(29), MONTH), []);
  t.deepEqual(await leaving(t, past(31), MONTH), [`1: it has had no tag since ${on(31)}`]);
  t.deepEqual(await leaving(t, past(31)), []);
});

test("so is one whose tag was moved to another", async (t) => {
  const moved = (days: number): Past => [
    [400, pushed(IMAGE), pushed(OTHER), tagged("v1")],
    [days, { type: "tagSet", tag: tag("v1"), digest: OTHER, was: IMAGE }],
  ];
  t.deepEqual(await leaving(t, moved(29), MONTH), []);
  t.deepEqual(await leaving(t, moved(31), MONTH), [`1: it has had no tag since ${on(31)}`]);
});

test("one that never had a tag is kept for so long after its push", async (t) => {
  t.deepEqual(await leaving(t, [[29, pushed(IMAGE)]], MONTH), []);
  t.deepEqual(await leaving(t, [[31, pushed(IMAGE)]], MONTH), ["1: it has no tag"]);
});

test("what an index lists, and what refers to it, leaves with it however old it is", async (t) => {
  const past = (days: number): Past => [
    [400, pushed(IMAGE), pushed(SIGNATURE, [], { subject: IMAGE })],
    [400, pushed(OTHER, [], { manifests: [IMAGE] }), tagged("v1", OTHER)],
    [days, untagged("v1", OTHER)],
  ];
  t.deepEqual(await leaving(t, past(29), MONTH), []);
  const why = ["1: it has no tag", "2: it has no tag", `3: it has had no tag since ${on(31)}`];
  t.deepEqual((await leaving(t, past(31), MONTH)).sort(), why);
});

const SIGNED = [400, pushed(IMAGE), pushed(SIGNATURE, [], { subject: IMAGE })] as const;
const FOLLOWS = `2: what it refers to was deleted on ${on(2)}`;

test("what refers to a deleted manifest follows after a grace period, whatever is said of others", async (t) => {
  for (const rule of [{}, MONTH, { keepUntagged: 1 }]) {
    t.deepEqual(await leaving(t, [SIGNED, [0.5, deleted()]], rule), []);
    t.deepEqual(await leaving(t, [SIGNED, [2, deleted()]], rule), [FOLLOWS]);
  }
});

test("it stays with a tag of its own, and for a grace period after that", async (t) => {
  const named = tagged("sha256-1.sig", SIGNATURE);
  t.deepEqual(await leaving(t, [SIGNED, [3, named], [2, deleted()]]), []);
  const lost = (days: number): Past => [
    SIGNED,
    [3, named],
    [2, deleted()],
    [days, untagged("sha256-1.sig", SIGNATURE)],
  ];
  t.deepEqual(await leaving(t, lost(0.5)), []);
  t.deepEqual(await leaving(t, lost(1.5)), [FOLLOWS]);
});

test("it stays while an index lists it that stays", async (t) => {
  const listed = [400, pushed(OTHER, [], { manifests: [SIGNATURE] })] as const;
  t.deepEqual(await leaving(t, [SIGNED, listed, [2, deleted()]]), []);
  t.deepEqual(await leaving(t, [SIGNED, listed, [2, deleted()]], MONTH), ["3: it has no tag", FOLLOWS]);
});

test("it stays when what it refers to was pushed again, or was never here", async (t) => {
  t.deepEqual(await leaving(t, [SIGNED, [3, deleted()], [2, pushed(IMAGE)]]), []);
  t.deepEqual(await leaving(t, [[400, pushed(SIGNATURE, [], { subject: IMAGE })]]), []);
  t.deepEqual(await leaving(t, [[400, pushed(SIGNATURE, [], { subject: IMAGE })]], MONTH), [
    "2: it has no tag",
  ]);
});

test("one that is pushed after its subject was deleted is like one whose subject was never here", async (t) => {
  const past: Past = [
    [400, pushed(IMAGE)],
    [5, deleted()],
    [4, pushed(SIGNATURE, [], { subject: IMAGE })],
  ];
  t.deepEqual(await leaving(t, past), []);
});

test("what was written by a version that knew no more than the push counts from that", (t) => {
  const keep = { untagged: 30 * DAY, grace: DAY };
  const createdAt = daysAgo(31);
  t.is(keptUntil({ createdAt }, keep), NOW - DAY);
  t.is(keptUntil({ createdAt }, { ...keep, untagged: 0 }), NOW - 30 * DAY);
  t.is(keptUntil({ createdAt }, { ...keep, untagged: Number.POSITIVE_INFINITY }), Number.POSITIVE_INFINITY);
});
