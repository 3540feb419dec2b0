import { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { openFilesystemBlobs } from "../../src/blobs/filesystem.ts";
import { createMemoryBlobs } from "../../src/blobs/memory.ts";
import type { BlobStore, UploadId } from "../../src/blobs/port.ts";
import type { Digest } from "../../src/core/digest.ts";
import { parseRepositoryName } from "../../src/core/name.ts";
import { compileRules, type RepositoryRule } from "../../src/core/rules.ts";
import { openJournalIndex } from "../../src/index/journal.ts";
import { createMemoryIndex } from "../../src/index/memory.ts";
import type { Index } from "../../src/index/port.ts";
import { type Collected, Collector, type Verdict } from "../../src/registry/gc/collector.ts";
import { Holds } from "../../src/registry/holds.ts";
import { bytesOf, store } from "../blobs/samples.ts";
import { link, put, setTag, temporaryDirectory, transaction } from "../index/samples.ts";

const TEAM = parseRepositoryName("team/app");
const GRACE = 2;

/** A store to be collected: promises end when `age` is called, and not by themselves. */
class World {
  readonly blobs: BlobStore;
  readonly index: Index;
  readonly holds = new Holds();
  readonly collector: Collector;
  #seed = 0;

  constructor(
    stores: { blobs: BlobStore; index: Index },
    rules: readonly RepositoryRule[],
    trashTtl: number,
  ) {
    this.blobs = stores.blobs;
    this.index = stores.index;
    this.collector = new Collector(
      { ...stores, holds: this.holds },
      {
        rules: compileRules(rules, { maxBlobSize: 1e9, maxManifestSize: 1e9, sparse: true }),
        grace: GRACE,
        trashTtl,
      },
    );
  }

  /** The bytes of a blob, linked nowhere. */
  async bytes(): Promise<Digest> {
    this.#seed += 1;
    return (await store(this.blobs, bytesOf(this.#seed, 100))).digest;
  }

  async blob(): Promise<Digest> {
    const digest = await this.bytes();
    await this.index.apply(TEAM, transaction([link(digest, { size: 100 })]));
    return digest;
  }

  async manifest(
    blobs: readonly Digest[],
    about: { tag?: string; manifests?: readonly Digest[]; subject?: Digest } = {},
  ): Promise<Digest> {
    const { tag, ...more } = about;
    const digest = await this.bytes();
    const tags = tag === undefined ? [] : [setTag(tag, digest)];
    await this.index.apply(TEAM, transaction([put(digest, blobs, more), ...tags]));
    return digest;
  }

  /** Time goes by: everything is older than the grace period, and all promises have ended. */
  async age(): Promise<void> {
    await delay(GRACE * 3);
    await this.index.agePromises();
    await this.index.agePromises();
  }

  async collect(): Promise<Collected> {
    return await this.collector.collect();
  }

  async has(digest: Digest): Promise<boolean> {
    return (await this.blobs.stat(digest)) !== undefined;
  }
}

interface Options {
  readonly rules?: readonly RepositoryRule[];
  readonly trashTtl?: number;
}

function onEachDriver(
  title: string,
  run: (t: ExecutionContext, world: World) => Promise<void>,
  { rules = [], trashTtl = 60_000 }: Options = {},
): void {
  test(`${title} (memory)`, async (t) => {
    const stores = { blobs: createMemoryBlobs({ limit: 1e8 }), index: createMemoryIndex() };
    await run(t, new World(stores, rules, trashTtl));
  });
  test(`${title} (files)`, async (t) => {
    const directory = await temporaryDirectory(t);
    const blobs = await openFilesystemBlobs({ directory, durability: "os", minFree: 0 });
    const index = await openJournalIndex({ directory, durability: "os" });
    await run(t, new World({ blobs, index }, rules, trashTtl)).finally(async () => {
      await index.close();
      await blobs.close();
    });
  });
}

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
    await world.collect();
    await delay(300);
    t.like(await world.collect(), { purged: 1, purgedBytes: 100 });
    t.false(await world.blobs.restore(orphan));
  },
  { trashTtl: 200 },
);

test("after a start, nothing that may have been promised before leaves an index", async (t) => {
  const stores = { blobs: createMemoryBlobs({ limit: 1e8 }), index: createMemoryIndex(), holds: new Holds() };
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
