import test from "ava";
import { createMemoryBlobs } from "../../src/blobs/memory.ts";
import { LocalHolds } from "../../src/cluster/local-holds.ts";
import type { Digest } from "../../src/core/digest.ts";
import { compileRules } from "../../src/core/rules.ts";
import { createMemoryIndex } from "../../src/index/memory.ts";
import { Explainer, type InRepository } from "../../src/registry/gc/explainer.ts";
import { digest, link, put, setTag, tag, transaction } from "../index/samples.ts";
import { GRACE, onEachDriver, TEAM, type World } from "./world.ts";

const NONE = { items: [], total: 0 };

async function inTeam(world: World, about: Digest): Promise<InRepository> {
  const [found, ...others] = (await world.explainer.explain(about)).repositories;
  if (found?.repository !== TEAM || others.length > 0) throw new Error("it is not in one repository");
  return found;
}

onEachDriver("a layer is needed by the manifests that name it", async (t, world) => {
  const layer = await world.blob();
  const manifests = [];
  for (let count = 0; count < 12; count += 1) manifests.push(await world.manifest([layer]));
  const found = await inTeam(world, layer);
  t.deepEqual(found.manifests, { items: manifests.slice(0, 10), total: 12 });
  t.is(found.blob?.until, undefined);
  t.like(await world.explainer.explain(layer), { size: 100, promised: true, held: false, trash: undefined });
});

onEachDriver("a manifest is needed by tags, by indexes and by its subject", async (t, world) => {
  const image = await world.manifest([], { tag: "v1" });
  await world.index.apply(TEAM, transaction([setTag("latest", image)]));
  const parent = await world.manifest([], { manifests: [image] });
  const signature = await world.manifest([], { subject: image });
  const found = await inTeam(world, image);
  t.deepEqual(found.tags, { items: ["latest", "v1"], total: 2 });
  t.deepEqual(found.indexes, { items: [parent], total: 1 });
  t.deepEqual(found.referrers, { items: [signature], total: 1 });
  t.is(found.manifest?.until, undefined);
  const { manifest } = await inTeam(world, signature);
  t.deepEqual(manifest?.subject, { digest: image, here: true });
  t.is(manifest?.until, undefined);
});

onEachDriver(
  "what refers to a deleted manifest says when that was, and goes a grace period later",
  async (t, world) => {
    const image = await world.manifest([]);
    const signature = await world.manifest([], { subject: image });
    const early = await world.manifest([], { subject: digest(77) });
    await world.index.apply(TEAM, transaction([{ type: "manifestDeleted", digest: image }]));
    const goneAt = (await world.index.manifest(TEAM, signature))?.subjectGoneAt ?? t.fail();
    const { manifest } = await inTeam(world, signature);
    t.deepEqual(manifest?.subject, { digest: image, here: false, goneAt });
    t.is(Date.parse(manifest?.until ?? ""), Date.parse(goneAt) + GRACE);
    const never = (await inTeam(world, early)).manifest;
    t.deepEqual(never?.subject, { digest: digest(77), here: false });
    t.is(never?.until, "forever");
  },
);

onEachDriver(
  "what nothing needs is kept until the rules let it go",
  async (t, world) => {
    const [blob, manifest] = [await world.blob(), await world.manifest([])];
    const unneeded = { tags: NONE, manifests: NONE, indexes: NONE, referrers: NONE, readOnly: false };
    const asBlob = await inTeam(world, blob);
    t.like(asBlob, unneeded);
    const since = Date.parse(asBlob.blob?.createdAt ?? "");
    t.is(Date.parse(asBlob.blob?.until ?? ""), since + 60_000);
    const asManifest = await inTeam(world, manifest);
    t.like(asManifest, { ...unneeded, blob: undefined });
    const put = Date.parse(asManifest.manifest?.createdAt ?? "");
    t.is(Date.parse(asManifest.manifest?.until ?? ""), put + 30_000);
  },
  { rules: [{ repositories: ["**"], keepUnused: 60_000, keepUntagged: 30_000 }] },
);

onEachDriver(
  "a manifest that has lost its last tag is kept for so long after that",
  async (t, world) => {
    const image = await world.manifest([], { tag: "v1" });
    t.false("untaggedAt" in ((await inTeam(world, image)).manifest ?? {}));
    await world.age();
    await world.index.apply(TEAM, transaction([{ type: "tagDeleted", tag: tag("v1") }]));
    const { untaggedAt, createdAt, until } = (await inTeam(world, image)).manifest ?? t.fail();
    t.true(untaggedAt !== undefined && untaggedAt > createdAt);
    t.is(Date.parse(until ?? ""), Date.parse(untaggedAt ?? "") + 30_000);
  },
  { rules: [{ repositories: ["**"], keepUntagged: 30_000 }] },
);

onEachDriver(
  "a tag that the rules let go is said to leave",
  async (t, world) => {
    const image = await world.manifest([], { tag: "pr-1" });
    await world.index.apply(TEAM, transaction([setTag("v1", image)]));
    const { tags, leavingTags } = await inTeam(world, image);
    t.deepEqual(tags.items, ["pr-1", "v1"]);
    t.deepEqual(leavingTags, [{ tag: "pr-1", why: "not matched by v*" }]);
  },
  { rules: [{ repositories: ["**"], keepTags: { matching: ["v*"] } }] },
);

onEachDriver(
  "in a read-only repository everything is kept",
  async (t, world) => {
    t.like(await inTeam(world, await world.blob()), { readOnly: true, blob: { until: "forever" } });
  },
  { rules: [{ repositories: ["**"], readOnly: true, keepUnused: 1 }] },
);

onEachDriver("what is promised, held, in the trash or nowhere is said to be", async (t, world) => {
  const orphan = await world.bytes();
  const hold = world.holds.open();
  await hold.add(orphan);
  // Among servers, to hold something is to promise it.
  const promised = world.cluster.shared;
  t.like(await world.explainer.explain(orphan), { size: 100, repositories: [], held: true, promised });
  hold[Symbol.dispose]();
  t.false((await world.explainer.explain(orphan)).held);
  await world.age();
  await world.collect();
  const { size, trash } = await world.explainer.explain(orphan);
  t.is(size, undefined);
  t.is(trash?.size, 100);
  t.is(Date.parse(trash?.until ?? "") - Date.parse(trash?.discardedAt ?? ""), 60_000);
  const layer = await world.blob();
  t.true((await world.explainer.explain(layer)).promised);
  await world.age();
  t.false((await world.explainer.explain(layer)).promised);
  const nowhere = { digest: digest(7), repositories: [], promised: false, held: false };
  t.deepEqual(await world.explainer.explain(digest(7)), nowhere);
});

onEachDriver("what is not here is named all the same by what refers to it", async (t, world) => {
  const signature = await world.manifest([digest(8)], { subject: digest(7), manifests: [digest(9)] });
  const one = { items: [signature], total: 1 };
  t.like(await inTeam(world, digest(7)), { referrers: one, manifest: undefined, blob: undefined });
  t.like(await inTeam(world, digest(8)), { manifests: one, blob: undefined });
  t.like(await inTeam(world, digest(9)), { indexes: one, manifest: undefined });
});

test("after a start nothing leaves a repository for a grace period, unless no server has run", async (t) => {
  const index = createMemoryIndex();
  const stores = { blobs: createMemoryBlobs({ limit: 1e8 }), index, holds: new LocalHolds() };
  const rules = compileRules([{ repositories: ["**"], keepUntagged: 1 }], {
    maxBlobSize: 1,
    maxManifestSize: 1,
    sparse: true,
  });
  await index.apply(TEAM, transaction([link(digest(1)), put(digest(2))]));
  const grace = 60_000;
  await new Promise((done) => setTimeout(done, GRACE * 5));
  const explainer = new Explainer(stores, { rules, grace, trashTtl: 1 });
  const until = async (nothingPromised: boolean) => {
    const [found] = (await explainer.explain(digest(2), { nothingPromised })).repositories;
    return Date.parse(found?.manifest?.until ?? "") - Date.parse(found?.manifest?.createdAt ?? "");
  };
  t.true((await until(false)) > grace);
  t.is(await until(true), grace);
});
