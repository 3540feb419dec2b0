import { rm, truncate } from "node:fs/promises";
import test, { type ExecutionContext } from "ava";
import { LocalHolds } from "../../src/cluster/local-holds.ts";
import { type Digest, digestOf } from "../../src/core/digest.ts";
import { parseRepositoryName, parseTag } from "../../src/core/name.ts";
import { compileRules } from "../../src/core/rules.ts";
import { createMemoryIndex } from "../../src/index/memory.ts";
import { Checker } from "../../src/registry/check/checker.ts";
import type { Fault } from "../../src/registry/check/fault.ts";
import type { Found } from "../../src/registry/check/finding.ts";
import { Recovery } from "../../src/registry/check/recovery.ts";
import { Pusher } from "../../src/registry/push.ts";
import { bytesOf, KiB, openStore, pathOf, spoil, store } from "../blobs/samples.ts";
import { link, put, setTag, transaction } from "../index/samples.ts";
import { CONFIG, describe, FOREIGN, IMAGE, INDEX, image, json, LAYER } from "./images.ts";

const TEAM = parseRepositoryName("team/app");
const SPARSE = parseRepositoryName("sparse/app");
const RECOVERED = parseRepositoryName("recovered");
/** A store with a registry's ways of filling it. */
async function world(t: ExecutionContext) {
  const { blobs, directory } = await openStore(t, { durability: "os" });
  const stores = { blobs, index: createMemoryIndex(), holds: new LocalHolds() };
  const defaults = { maxBlobSize: 1e9, maxManifestSize: 1e9, sparse: false };
  const rules = compileRules([{ repositories: ["sparse/**"], sparse: true }], defaults);
  const blob = async (bytes: Buffer, repository = TEAM): Promise<Digest> => {
    const { digest } = await store(blobs, bytes);
    await stores.index.apply(repository, transaction([link(digest, { size: bytes.length })]));
    return digest;
  };
  const push = async (bytes: Buffer, tags: readonly string[] = [], repository = TEAM): Promise<Digest> => {
    const request = {
      bytes,
      contentType: undefined,
      digest: undefined,
      tags: tags.map(parseTag),
      guards: [],
    };
    return (await new Pusher(stores, rules).push({ repository, who: "ann" }, request)).digest;
  };
  const check = async () => {
    const faults: Fault[] = [];
    const checked = await new Checker(stores, rules).check({ report: (fault) => faults.push(fault) });
    return { checked, faults };
  };
  return { ...stores, directory, rules, blob, push, check };
}

test("a whole store has no faults, also where layers are foreign or manifests sparse", async (t) => {
  const { blob, push, check } = await world(t);
  const layer = bytesOf(1, KiB);
  for (const bytes of [CONFIG, layer]) await blob(bytes);
  const pushed = image([describe(LAYER, layer), describe(FOREIGN, bytesOf(2, KiB))]);
  await push(pushed, ["v1", "v2"]);
  await push(json({ schemaVersion: 2, mediaType: INDEX, manifests: [describe(IMAGE, pushed)] }), ["all"]);
  await push(image([describe(LAYER, bytesOf(3, KiB))]), [], SPARSE);
  const { checked, faults } = await check();
  t.deepEqual(faults, []);
  t.deepEqual(checked, { repositories: 2, manifests: 3, blobs: 2, tags: 3, faults: 0 });
});

test("bytes that are gone, or of another length, are faults, each with what to do", async (t) => {
  const { directory, blob, push, check } = await world(t);
  const layers = [bytesOf(1, KiB), bytesOf(2, KiB)];
  for (const bytes of [CONFIG, ...layers]) await blob(bytes);
  const pushed = await push(image([describe(LAYER, layers[0] as Buffer)]));
  const other = await push(image([describe(LAYER, layers[1] as Buffer)]));
  const [gone, short] = layers.map((bytes) => digestOf(bytes)) as [Digest, Digest];
  for (const digest of [gone, pushed]) await rm(pathOf(directory, digest));
  for (const digest of [short, other]) {
    const path = pathOf(directory, digest);
    await spoil(path, () => truncate(path, 10));
  }
  const { checked, faults } = await check();
  t.is(checked.faults, 4);
  const what = Object.fromEntries(faults.map((fault) => [fault.digest, fault.what]));
  t.deepEqual(what, {
    [pushed]: "manifest-missing",
    [other]: "manifest-size",
    [gone]: "blob-missing",
    [short]: "blob-size",
  });
  for (const fault of faults) t.regex(fault.remedy, /^push it again/);
});

test("what a manifest names and the repository does not have is a fault; so is a tag that points nowhere", async (t) => {
  const { index, check, blobs } = await world(t);
  const [manifest, list, child, unlinked, nowhere] = (await Promise.all(
    [1, 2, 3, 4, 5].map(async (seed) => (await store(blobs, bytesOf(seed, 2))).digest),
  )) as [Digest, Digest, Digest, Digest, Digest];
  const changes = [put(manifest, [unlinked]), put(list, [], { manifests: [child] }), setTag("v1", nowhere)];
  await index.apply(TEAM, transaction(changes));
  const { faults } = await check();
  t.deepEqual(
    faults.map(({ problem: _, remedy: __, ...rest }) => rest),
    [
      { repository: TEAM, what: "child-missing", digest: child, manifest: list },
      { repository: TEAM, what: "blob-unlinked", digest: unlinked, manifest },
      { repository: TEAM, what: "tag-dangling", tag: parseTag("v1"), digest: nowhere },
    ],
  );
});

test("a damaged index is a fault, and the rest is checked all the same", async (t) => {
  const { index, blob, check } = await world(t);
  await blob(bytesOf(1, KiB));
  Object.assign(index, { intact: async () => false });
  const { checked, faults } = await check();
  t.like(faults[0], { repository: TEAM, what: "index-damaged" });
  t.like(checked, { blobs: 1, faults: 1 });
});

test("what is deleted while it is looked at is no fault", async (t) => {
  const { index, blobs, blob, check } = await world(t);
  const digest = await blob(bytesOf(1, KiB));
  const inspect = blobs.inspect.bind(blobs);
  const deleting = async (asked: Digest) => {
    await index.apply(TEAM, transaction([{ type: "blobUnlinked", digest }]));
    await blobs.discard(digest);
    return await inspect(asked);
  };
  Object.assign(blobs, { inspect: deleting });
  t.deepEqual((await check()).faults, []);
});

/** What is found among the blobs by an index that knows nothing of them, or what `index` knows. */
async function recover(
  { blobs, holds, rules }: Awaited<ReturnType<typeof world>>,
  index = createMemoryIndex(),
) {
  const found: Found[] = [];
  const recovered = await new Recovery({ blobs, index, holds }).recover(RECOVERED, {
    report: (manifest) => found.push(manifest),
  });
  const faults: Fault[] = [];
  await new Checker({ blobs, index }, rules).check({ report: (fault) => faults.push(fault) });
  return { recovered, found, faults, index };
}

test("a lost index is rebuilt from the manifests among the blobs", async (t) => {
  const lost = await world(t);
  const layer = bytesOf(1, KiB);
  for (const bytes of [CONFIG, layer]) await lost.blob(bytes);
  const pushed = image([describe(LAYER, layer)]);
  const digest = await lost.push(pushed, ["v1"]);
  const list = await lost.push(
    json({ schemaVersion: 2, mediaType: INDEX, manifests: [describe(IMAGE, pushed)] }),
  );
  const { recovered, found, faults, index } = await recover(lost);
  t.deepEqual(recovered, { manifests: 2, blobs: 2 });
  t.deepEqual(faults, []);
  t.deepEqual(found.map((each) => each.digest).sort(), [digest, list].sort());
  for (const each of [digest, list]) {
    const { createdAt: _, position: __, ...entry } = (await index.manifest(RECOVERED, each)) ?? t.fail();
    const { createdAt: ___, position: ____, ...before } = (await lost.index.manifest(TEAM, each)) ?? t.fail();
    t.deepEqual(entry, before);
  }
  t.like(await index.blob(RECOVERED, digestOf(layer)), { size: KiB, mediaType: LAYER });
  t.deepEqual((await recover(lost, index)).recovered, { manifests: 0, blobs: 0 });
});

test("what a repository has is not recovered, but for what a recovered index lists", async (t) => {
  const all = await world(t);
  await all.blob(CONFIG);
  const pushed = image([]);
  const kept = await all.push(pushed);
  const list = json({ schemaVersion: 2, mediaType: INDEX, manifests: [describe(IMAGE, pushed)] });
  t.deepEqual((await recover(all, all.index)).recovered, { manifests: 0, blobs: 0 });
  await store(all.blobs, list);
  const { recovered, faults } = await recover(all, all.index);
  t.deepEqual(recovered, { manifests: 2, blobs: 1 });
  t.deepEqual(faults, []);
  t.not(await all.index.manifest(TEAM, kept), undefined);
});

test("damaged manifests and other JSON are left, and what is missing is named", async (t) => {
  const all = await world(t);
  const layer = bytesOf(1, KiB);
  const { digest } = await store(all.blobs, image([describe(LAYER, layer)]));
  const { digest: rotten } = await store(all.blobs, image([]));
  const path = pathOf(all.directory, rotten);
  await spoil(path, () => truncate(path, 0));
  for (const bytes of [CONFIG, json({}), Buffer.alloc(0), bytesOf(9, KiB)]) await store(all.blobs, bytes);
  const { recovered, found, faults } = await recover(all);
  t.deepEqual(recovered, { manifests: 1, blobs: 1 });
  t.deepEqual(found, [{ digest, mediaType: IMAGE, missing: [digestOf(layer)] }]);
  t.like(faults, [{ what: "blob-unlinked", digest: digestOf(layer), manifest: digest }]);
});
