import { utimes } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import test from "ava";
import { createMemoryBlobs } from "../../src/blobs/memory.ts";
import type { UploadId } from "../../src/blobs/port.ts";
import { createLocalCluster } from "../../src/cluster/local.ts";
import type { Digest } from "../../src/core/digest.ts";
import { parseRepositoryName } from "../../src/core/name.ts";
import { compileRules } from "../../src/core/rules.ts";
import { createMemoryIndex } from "../../src/index/memory.ts";
import type { Change } from "../../src/index/port.ts";
import type { Verdict } from "../../src/registry/gc/collected.ts";
import { Collector } from "../../src/registry/gc/collector.ts";
import { bytesOf, openStore, store } from "../blobs/samples.ts";
import { digest, link, put, setTag, tag, transaction } from "../index/samples.ts";
import { GRACE, onEachDriver, TEAM, World } from "./world.ts";

onEachDriver("bytes that no repository has go to the trash, and all others stay", async (t, world) => {
  const orphan = await world.bytes();
  const linked = await world.blob();
  const layer = await world.blob();
  const manifest = await world.manifest([layer], { tag: "v1" });
  t.like(await world.collect(), { blobs: 1, bytes: 100, links: 0, manifests: 0 });
  t.false(await world.has(orphan));
  for (const digest of [linked, layer, manifest]) t.true(await world.has(digest));
  t.true(await world.blobs.restore(orphan));
});

onEachDriver(
  "a blob that no manifest names stays for the grace period, and while it is promised",
  async (t, world) => {
    const unused = await world.blob();
    const used = await world.blob();
    await world.manifest([used], { tag: "v1" });
    await delay(GRACE * 3);
    t.like(await world.collect(), { links: 0, blobs: 0 });
    await world.age();
    await world.index.blob(TEAM, unused, { promise: true });
    t.like(await world.collect(), { links: 0, blobs: 0 });
    await world.age();
    t.like(await world.collect(), { links: 1, blobs: 1 });
    t.is(await world.index.blob(TEAM, unused), undefined);
    t.false(await world.has(unused));
    t.not(await world.index.blob(TEAM, used), undefined);
  },
);

onEachDriver(
  "where blobs are kept for ever, those that no manifest names are",
  async (t, world) => {
    const unused = await world.blob();
    await world.age();
    t.like(await world.collect(), { links: 0, blobs: 0 });
    t.true(await world.has(unused));
  },
  { rules: [{ repositories: ["team/*"], keepUnused: Number.POSITIVE_INFINITY }] },
);

onEachDriver("manifests without a tag stay, unless a rule says for how long", async (t, world) => {
  await world.manifest([await world.blob()]);
  await world.age();
  t.like(await world.collect(), { manifests: 0, links: 0, blobs: 0 });
});

const untagged = { rules: [{ repositories: ["**"], keepUntagged: 1 }] };

onEachDriver(
  "an index with a tag keeps what it lists, what that lists, and what refers to any of them",
  async (t, world) => {
    const layer = await world.blob();
    const image = await world.manifest([layer]);
    const inner = await world.manifest([], { manifests: [image] });
    await world.manifest([], { manifests: [inner], tag: "v1" });
    const signature = await world.manifest([], { subject: image });
    await world.manifest([], { subject: signature });
    await world.age();
    t.like(await world.collect(), { manifests: 0, links: 0, blobs: 0 });
  },
  untagged,
);

onEachDriver(
  "what nothing needs goes at once, with all that only it needed",
  async (t, world) => {
    const shared = await world.blob();
    const own = await world.blob();
    const image = await world.manifest([own, shared]);
    const signature = await world.manifest([await world.blob()], { subject: image });
    const parent = await world.manifest([], { manifests: [image] });
    const kept = await world.manifest([shared], { tag: "v1" });
    await world.age();
    const planned: Verdict[] = [];
    const plan = await world.collector.collect({ dryRun: true, report: (verdict) => planned.push(verdict) });
    t.true(await world.has(own));
    const done = await world.collect();
    t.deepEqual(plan, done);
    t.like(done, { manifests: 3, links: 2, blobs: 5 });
    t.is(planned.length, 10);
    for (const digest of [image, signature, parent, own]) t.false(await world.has(digest));
    for (const digest of [shared, kept]) t.true(await world.has(digest));
    t.like(await world.collect(), { manifests: 0, links: 0, blobs: 0 });
  },
  untagged,
);

onEachDriver(
  "a referrer whose subject was deleted goes; one that is tagged stays",
  async (t, world) => {
    const image = await world.manifest([], { tag: "v1" });
    const signature = await world.manifest([], { subject: image });
    const named = await world.manifest([], { subject: image, tag: "sha256-x.sig" });
    await world.index.apply(TEAM, transaction([{ type: "manifestDeleted", digest: image }]));
    await world.age();
    t.like(await world.collect(), { manifests: 1 });
    t.is(await world.index.manifest(TEAM, signature), undefined);
    t.not(await world.index.manifest(TEAM, named), undefined);
  },
  untagged,
);

onEachDriver(
  "what refers to a manifest that was deleted follows it, and what refers to that follows later",
  async (t, world) => {
    const image = await world.manifest([], { tag: "v1" });
    const layer = await world.blob();
    const list = await world.manifest([layer], { subject: image });
    const signature = await world.manifest([], { subject: list });
    const early = await world.manifest([], { subject: digest(77) });
    await world.age();
    t.like(await world.collect(), { manifests: 0 });
    await world.index.apply(TEAM, transaction([{ type: "manifestDeleted", digest: image }]));
    await world.age();
    const plan = await world.collector.collect({ dryRun: true });
    t.like(plan, { manifests: 1, links: 1 });
    t.deepEqual(await world.collect(), plan);
    t.is(await world.index.manifest(TEAM, list), undefined);
    t.not(await world.index.manifest(TEAM, signature), undefined);
    await world.age();
    t.like(await world.collect(), { manifests: 1 });
    t.is(await world.index.manifest(TEAM, signature), undefined);
    t.not(await world.index.manifest(TEAM, early), undefined, "its subject was never here");
  },
);

onEachDriver("what refers to a deleted manifest stays while it is promised", async (t, world) => {
  const image = await world.manifest([]);
  const signature = await world.manifest([], { subject: image });
  await world.index.apply(TEAM, transaction([{ type: "manifestDeleted", digest: image }]));
  await world.age();
  await world.index.manifest(TEAM, signature, { promise: true });
  t.like(await world.collect(), { manifests: 0 });
  await world.age();
  t.like(await world.collect(), { manifests: 1 });
});

onEachDriver(
  "what refers to a manifest that was deleted stays in a read-only repository",
  async (t, world) => {
    const image = await world.manifest([]);
    await world.manifest([], { subject: image });
    await world.index.apply(TEAM, transaction([{ type: "manifestDeleted", digest: image }]));
    await world.age();
    t.like(await world.collect(), { manifests: 0 });
  },
  { rules: [{ repositories: ["**"], readOnly: true }] },
);

for (const [what, changes] of [
  ["tagged", (_, signature) => [setTag("v1", signature)]],
  ["listed by an index", (_, signature) => [put(digest(78), [], { manifests: [signature] })]],
  ["referred to", (_, signature) => [put(digest(78), [], { subject: signature })]],
  ["pushed again", (_, signature) => [put(signature)]],
  ["given its subject back", (image) => [put(image)]],
  [
    "given its subject back for a moment",
    (image) => [put(image), { type: "manifestDeleted", digest: image }],
  ],
] satisfies [string, (image: Digest, signature: Digest) => Change[]][]) {
  onEachDriver(`a referrer stays that is ${what} while it is judged`, async (t, world) => {
    const image = await world.manifest([]);
    const signature = await world.manifest([], { subject: image });
    await world.index.apply(TEAM, transaction([{ type: "manifestDeleted", digest: image }]));
    await world.age();
    const { index } = world;
    const isPromised = index.isPromised.bind(index);
    let judged = 0;
    index.isPromised = async (about) => {
      const promised = await isPromised(about);
      if (about === signature) {
        judged += 1;
        await index.apply(TEAM, transaction(changes(image, signature)));
      }
      return promised;
    };
    t.like(await world.collect(), { manifests: 0 });
    t.is(judged, 1);
    t.not(await index.manifest(TEAM, signature), undefined);
  });
}

onEachDriver(
  "tags that no rule keeps leave, and their manifests when the promise to whoever knew them has ended",
  async (t, world) => {
    const layer = await world.blob();
    const old = await world.manifest([layer], { tag: "pr-1" });
    const release = await world.manifest([layer], { tag: "v1" });
    await delay(2);
    const newest = await world.manifest([layer], { tag: "pr-2" });
    await world.age();
    const planned: Verdict[] = [];
    const plan = await world.collector.collect({ dryRun: true, report: (verdict) => planned.push(verdict) });
    t.deepEqual(await world.tags(), ["pr-1", "pr-2", "v1"]);
    t.deepEqual(planned, [
      {
        what: "tag",
        repository: TEAM,
        tag: tag("pr-1"),
        digest: old,
        why: "not the newest, not matched by v*",
      },
    ]);
    t.deepEqual(await world.collect(), plan);
    t.deepEqual(await world.tags(), ["pr-2", "v1"]);
    await world.age();
    t.like(await world.collect(), { tags: 0, manifests: 1, links: 0 });
    t.is(await world.index.manifest(TEAM, old), undefined);
    for (const digest of [release, newest]) t.not(await world.index.manifest(TEAM, digest), undefined);
  },
  { rules: [{ repositories: ["**"], keepTags: { newest: 1, matching: ["v*"] }, keepUntagged: 1 }] },
);

onEachDriver(
  "immutable tags stay whatever is said of tags",
  async (t, world) => {
    for (const name of ["a", "b", "v1"]) await world.manifest([], { tag: name });
    await delay(2);
    await world.manifest([], { tag: "c" });
    await world.age();
    t.like(await world.collect(), { tags: 2, manifests: 0 });
    t.deepEqual(await world.tags(), ["c", "v1"]);
  },
  { rules: [{ repositories: ["**"], keepTags: { newest: 1 }, immutableTags: ["v*"] }] },
);

onEachDriver(
  "nothing of a read-only repository leaves",
  async (t, world) => {
    await world.manifest([await world.blob()], { tag: "a" });
    await world.manifest([await world.blob()], { tag: "b" });
    await world.age();
    t.like(await world.collect(), { tags: 0, manifests: 0, links: 0 });
  },
  { rules: [{ repositories: ["**"], keepTags: { newest: 1 }, keepUnused: 1, readOnly: true }] },
);

onEachDriver(
  "a tag that is moved while it is judged stays where it was moved to",
  async (t, world) => {
    await world.manifest([], { tag: "a" });
    await delay(2);
    const other = await world.manifest([], { tag: "b" });
    await world.age();
    const read = world.index.tags.bind(world.index);
    world.index.tags = async (...asked) => {
      const page = await read(...asked);
      await world.index.apply(TEAM, transaction([setTag("a", other)]));
      return page;
    };
    t.like(await world.collect(), { tags: 0 });
    t.is((await world.index.tag(TEAM, tag("a")))?.digest, other);
  },
  { rules: [{ repositories: ["**"], keepTags: { newest: 1 } }] },
);

onEachDriver(
  "what is promised keeps what it needs, and a dry run says so",
  async (t, world) => {
    const layer = await world.blob();
    const image = await world.manifest([layer]);
    const parent = await world.manifest([], { manifests: [image] });
    await world.age();
    await world.index.manifest(TEAM, parent, { promise: true });
    const plan = await world.collector.collect({ dryRun: true });
    t.like(plan, { manifests: 0, links: 0, blobs: 0 });
    t.deepEqual(await world.collect(), plan);
  },
  untagged,
);

onEachDriver("what somebody holds is not taken from them", async (t, world) => {
  const orphan = await world.bytes();
  using hold = world.holds.open();
  hold.add(orphan);
  t.like(await world.collect(), { blobs: 0 });
  t.true(await world.has(orphan));
});

onEachDriver("a blob stays that an upload has become and no repository has yet", async (t, world) => {
  const upload = await world.blobs.begin({ id: "u" as UploadId, resumable: true });
  await upload.append(Readable.from([bytesOf(1, 100)], { objectMode: false }), { at: 0 });
  const { digest } = await upload.commit();
  t.like(await world.collect(), { blobs: 0 });
  t.true(await world.has(digest));
  await upload.cancel();
  t.like(await world.collect(), { blobs: 1 });
});

onEachDriver("two collections at a time are one too many", async (t, world) => {
  await world.bytes();
  const first = world.collect();
  await t.throwsAsync(world.collect(), { code: "UNAVAILABLE" });
  t.like(await first, { blobs: 1 });
  t.like(await world.collect(), { blobs: 0 });
});

onEachDriver(
  "what has been in the trash for long enough is purged",
  async (t, world) => {
    const orphan = await world.bytes();
    const first = await world.collect();
    await delay(300);
    const second = await world.collect();
    // On a busy machine, its time is over before the first collection is.
    t.deepEqual([first.purged + second.purged, first.purgedBytes + second.purgedBytes], [1, 100]);
    t.false(await world.blobs.restore(orphan));
  },
  { trashTtl: 200 },
);

test("what has been in quarantine for long enough is deleted, healed or not; a dry run says so", async (t) => {
  const { blobs, directory } = await openStore(t, { durability: "os" });
  const world = await new World({ blobs, index: createMemoryIndex() }, [], 60_000).found();
  const [old, healed, young] = [await world.blob(), await world.blob(), await world.blob()];
  for (const [at, digest] of [old, healed, young].entries()) {
    const { handle, quarantine } = (await blobs.inspect(digest)) ?? t.fail();
    const { file = "" } = (await quarantine()) || t.fail();
    t.is(file, join(directory, "quarantine", ...digest.split(":")));
    await handle.close();
    const longAgo = new Date(Date.now() - 60_001);
    if (at < 2) await utimes(file, longAgo, longAgo);
  }
  await store(blobs, bytesOf(2, 100));
  const planned: Verdict[] = [];
  const plan = await world.collector.collect({ dryRun: true, report: (verdict) => planned.push(verdict) });
  t.like(plan, { disposed: 2, disposedBytes: 200, purged: 0, blobs: 0 });
  const said = (verdict: Verdict) => JSON.stringify(Object.entries(verdict).sort());
  const why = "its time in quarantine is over";
  const verdicts = [old, healed].map((digest) => ({ what: "quarantine", digest, size: 100, why }) as const);
  t.deepEqual(planned.map(said).sort(), verdicts.map(said).sort());
  t.is((await Array.fromAsync(blobs.quarantined())).length, 3);
  t.deepEqual(await world.collect(), plan);
  t.deepEqual(
    (await Array.fromAsync(blobs.quarantined())).map(({ digest }) => digest),
    [young],
  );
  t.true(await world.has(healed));
  t.like(world.collector.record.removed, { disposed: 2, disposedBytes: 200 });
});

test("after a start, nothing that may have been promised before leaves an index", async (t) => {
  const stores = {
    blobs: createMemoryBlobs({ limit: 1e8 }),
    index: createMemoryIndex(),
    cluster: createLocalCluster(),
  };
  const rules = compileRules([], { maxBlobSize: 1e9, maxManifestSize: 1e9, sparse: true });
  const collector = new Collector(stores, { rules, grace: 300, trashTtl: 1000 });
  const { digest } = await store(stores.blobs, bytesOf(1, 100));
  await stores.index.apply(TEAM, transaction([link(digest, { size: 100 })]));
  await stores.index.agePromises();
  await stores.index.agePromises();
  t.like(await collector.collect(), { links: 0 });
  await delay(320);
  t.like(await collector.collect(), { links: 1 });
});

test("nothing is collected while a part of the index is damaged", async (t) => {
  const blobs = createMemoryBlobs({ limit: 1e8 });
  const index = Object.assign(createMemoryIndex(), { intact: async () => false });
  const world = new World({ blobs, index }, [], 0);
  const orphan = await world.bytes();
  await world.blob();
  await t.throwsAsync(world.collect(), { code: "UNAVAILABLE", message: /team\/app/ });
  t.true(await world.has(orphan));
});

test("once damage is known, nothing leaves an index, until it has been repaired", async (t) => {
  const damaged = new Set<string>(["team/zoo"]);
  const blobs = createMemoryBlobs({ limit: 1e8 });
  const index = Object.assign(createMemoryIndex(), { intact: async (name: string) => !damaged.has(name) });
  const world = new World({ blobs, index }, [], 0);
  await index.apply(parseRepositoryName("team/zoo"), transaction([link(await world.bytes(), { size: 100 })]));
  const [orphan, unused] = [await world.bytes(), await world.blob()];
  await world.age();
  await t.throwsAsync(world.collect(), { message: /team\/zoo/ }, "found after team/app was collected");
  t.is(await index.blob(TEAM, unused), undefined);
  t.true(await world.has(unused));
  const later = await world.blob();
  await world.age();
  await t.throwsAsync(world.collect(), { message: /team\/zoo/ });
  t.truthy(await index.blob(TEAM, later));
  t.true(await world.has(orphan));
  damaged.clear();
  t.like(await world.collect(), { links: 2, blobs: 4 });
});

test("a store whose index is missing loses nothing", async (t) => {
  const stores = { blobs: createMemoryBlobs({ limit: 1e8 }), index: createMemoryIndex() };
  const world = new World(stores, [], 0);
  const bytes = await world.bytes();
  t.like(await world.collect(), { blobs: 0 });
  t.true(await world.has(bytes));
  await world.found();
  t.like(await world.collect(), { blobs: 1 });
});

onEachDriver("what is needed and in the trash all the same goes back", async (t, world) => {
  const needed = await world.blob();
  await world.manifest([needed], { tag: "v1" });
  await world.age();
  // As a server does that has lost its lock, and was stopped before it could know.
  await world.blobs.discard(needed);
  t.deepEqual(await Array.fromAsync(world.blobs.discarded(), ({ digest }) => digest), [needed]);
  const plan = await world.collector.collect({ dryRun: true });
  t.false(await world.has(needed));
  t.like(await world.collect(), { purged: 0, blobs: plan.blobs });
  t.true(await world.has(needed));
  t.deepEqual(await Array.fromAsync(world.blobs.discarded()), []);
});
