import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { LocalHolds } from "../../src/cluster/local-holds.ts";
import { type Digest, digestOf } from "../../src/core/digest.ts";
import { parseRepositoryName, parseTag } from "../../src/core/name.ts";
import { compileRules } from "../../src/core/rules.ts";
import { openJournalIndex } from "../../src/index/journal.ts";
import type { Index } from "../../src/index/port.ts";
import { Checker } from "../../src/registry/check/checker.ts";
import type { Fault } from "../../src/registry/check/fault.ts";
import { Recovery } from "../../src/registry/check/recovery.ts";
import type { Repair } from "../../src/registry/check/repair.ts";
import { Repairer } from "../../src/registry/check/repairer.ts";
import { Pusher } from "../../src/registry/push.ts";
import { bytesOf, KiB, openStore, pathOf, readBlob, store } from "../blobs/samples.ts";
import { link, put, setTag, transaction } from "../index/samples.ts";
import { CONFIG, describe, IMAGE, INDEX, image, json, LAYER } from "./images.ts";

const TEAM = parseRepositoryName("team/app");
const OTHER = parseRepositoryName("other");
const SPARSE = parseRepositoryName("sparse/app");
const RECOVERED = parseRepositoryName("recovered");

const RULES = compileRules([{ repositories: ["sparse/**"], sparse: true }], {
  ...{ maxBlobSize: 1e9, maxManifestSize: 1e9, sparse: false },
});

/** A store in files, that can be closed, damaged and opened again. */
async function world(t: ExecutionContext) {
  const { blobs, directory } = await openStore(t, { durability: "os" });
  let index: Index = await openJournalIndex({ directory, durability: "os" });
  t.teardown(() => index.close());
  const holds = new LocalHolds();
  const blob = async (bytes: Buffer, repository = TEAM): Promise<Digest> => {
    const { digest } = await store(blobs, bytes);
    await index.apply(repository, transaction([link(digest, { size: bytes.length, mediaType: LAYER })]));
    return digest;
  };
  const push = async (bytes: Buffer, tags: readonly string[] = [], repository = TEAM): Promise<Digest> => {
    const request = {
      ...{ bytes, contentType: undefined, digest: undefined },
      tags: tags.map(parseTag),
      guards: [],
    };
    const pusher = new Pusher({ blobs, index, holds }, RULES);
    return (await pusher.push({ repository, who: "ann" }, request)).digest;
  };
  const journal = (repository: string) => join(directory, "index", repository, "_journal.jsonl");
  /** Changes the lines of a journal that have a text, as nobody should; `undefined` takes them out. */
  const damage = async (
    text: string,
    change: (line: string) => string[] = (line) => [line.replace('"sum"', '"sun"')],
    repository: string = TEAM,
  ) => {
    await index.close();
    const path = journal(repository);
    const lines = (await readFile(path, "utf8")).split("\n");
    if (!lines.some((line) => line.includes(text))) throw new Error(`no ${text} in ${path}`);
    await writeFile(path, lines.flatMap((line) => (line.includes(text) ? change(line) : [line])).join("\n"));
    index = await openJournalIndex({ directory, durability: "os" });
  };
  const repair = async (options: { dryRun?: boolean } = {}) => {
    const stores = { blobs, index, holds };
    const parts = { checker: new Checker(stores, RULES), recovery: new Recovery(stores) };
    const [told, changed]: [Repair[], Repair[]] = [[], []];
    const repairer = new Repairer(stores, parts, { rules: RULES, onRepaired: (each) => changed.push(each) });
    const repaired = await repairer.repair({
      into: RECOVERED,
      ...options,
      report: (each) => told.push(each),
    });
    const faults: Fault[] = [];
    await parts.checker.check({ report: (fault) => faults.push(fault) });
    return { repaired, told, changed, faults };
  };
  return { blobs, directory, blob, push, journal, damage, repair, index: () => index };
}

/** What was said, without what is different each time. */
const said = (told: readonly Repair[]) => told.map(({ what, repository }) => `${what} ${repository}`);

const NOTHING = { indexes: 0, manifests: 0, blobs: 0, restored: 0, lost: 0 };

test("a sound store is left as it is", async (t) => {
  const { blob, push, journal, repair } = await world(t);
  await blob(CONFIG);
  await push(image([]), ["v1"]);
  const before = await readFile(journal(TEAM));
  t.deepEqual(await repair(), { repaired: NOTHING, told: [], changed: [], faults: [] });
  t.deepEqual(await readFile(journal(TEAM)), before);
});

test("an image whose line is damaged is found again, and its tag told; a dry run says so and changes nothing", async (t) => {
  const all = await world(t);
  const { blob, push, damage, repair, directory, index } = all;
  const layers = [bytesOf(1, KiB), bytesOf(2, KiB)] as const;
  for (const bytes of [CONFIG, ...layers]) await blob(bytes);
  const kept = await push(image([describe(LAYER, layers[0])]), ["v1"]);
  const lost = await push(image([describe(LAYER, layers[1])]), ["v2"]);
  await damage('"v2"');
  await damage(`"blobLinked","digest":"${digestOf(layers[1])}"`);
  const files = await readdir(join(directory, "index/team/app"));
  const dry = await repair({ dryRun: true });
  t.deepEqual(dry.changed, []);
  t.deepEqual(await readdir(join(directory, "index/team/app")), files);
  t.like(dry.faults, [{ what: "index-damaged" }]);
  const { repaired, told, changed, faults } = await repair();
  t.deepEqual(repaired, { ...NOTHING, indexes: 1, manifests: 1, blobs: 1 });
  t.deepEqual(dry.repaired, repaired);
  t.deepEqual(said(dry.told), said(told));
  t.deepEqual(changed, told);
  t.deepEqual(faults, []);
  t.like(told, [
    { what: "index", repository: TEAM },
    { what: "found", digest: lost, mediaType: IMAGE, missing: [] },
    { what: "tag-lost", tag: "v2", digest: lost },
  ]);
  t.is((await index().tag(TEAM, parseTag("v1")))?.digest, kept);
  t.is(await index().tag(TEAM, parseTag("v2")), undefined);
  t.like(await index().blob(TEAM, digestOf(layers[1])), { size: KiB, mediaType: LAYER });
  t.true(await index().intact(TEAM));
  t.deepEqual((await repair()).repaired, NOTHING);
});

test("what a tag points at, an index lists and a manifest names is found again without any trace of it", async (t) => {
  const { blob, push, damage, repair, index } = await world(t);
  const layer = bytesOf(1, KiB);
  for (const bytes of [CONFIG, layer]) await blob(bytes);
  const child = image([describe(LAYER, layer)]);
  const list = json({ schemaVersion: 2, mediaType: INDEX, manifests: [describe(IMAGE, child)] });
  await push(child);
  const digest = await push(list);
  await index().apply(TEAM, transaction([setTag("all", digest)]));
  const gone = () => [];
  await damage(`"manifestPut","manifest":{"digest":"${digest}"`, gone);
  await damage(`"manifestPut","manifest":{"digest":"${digestOf(child)}"`, gone);
  await damage(`"blobLinked","digest":"${digestOf(layer)}"`, gone);
  const { repaired, told, faults } = await repair();
  t.deepEqual(repaired, { ...NOTHING, indexes: 1, manifests: 2, blobs: 1 });
  t.deepEqual(said(told), ["index team/app", "found team/app", "found team/app"]);
  t.deepEqual(faults, []);
});

test("manifests that no repository has any more are kept from garbage collection", async (t) => {
  const { blob, push, damage, repair, index } = await world(t);
  await blob(CONFIG);
  const lost = await push(image([]));
  await damage(`"manifestPut","manifest":{"digest":"${lost}"`, () => []);
  await damage('"blobLinked"');
  const { repaired, told } = await repair();
  t.deepEqual(said(told), ["index team/app", "found team/app", "found recovered"]);
  t.deepEqual(repaired, { ...NOTHING, indexes: 1, manifests: 1, blobs: 2 });
  t.truthy(await index().manifest(RECOVERED, lost));
  t.truthy(await index().blob(TEAM, digestOf(CONFIG)));
});

test("a sparse repository gets nothing that it has never had", async (t) => {
  const { blob, push, damage, repair, index } = await world(t);
  const [own, foreign] = [bytesOf(1, KiB), bytesOf(2, KiB)];
  await blob(foreign);
  for (const bytes of [CONFIG, own]) await blob(bytes, SPARSE);
  const digest = await push(image([own, foreign].map((bytes) => describe(LAYER, bytes))), ["v1"], SPARSE);
  await damage('"manifestPut"', undefined, SPARSE);
  await damage(`"blobLinked","digest":"${digestOf(own)}"`, undefined, SPARSE);
  const { repaired } = await repair();
  t.deepEqual(repaired, { ...NOTHING, indexes: 1, manifests: 1, blobs: 1 });
  t.truthy(await index().manifest(SPARSE, digest));
  t.truthy(await index().blob(SPARSE, digestOf(own)));
  t.is(await index().blob(SPARSE, digestOf(foreign)), undefined);
});

test("what was deleted after the damage stays deleted", async (t) => {
  const { blob, push, damage, repair, index } = await world(t);
  await blob(CONFIG);
  const layer = await blob(bytesOf(1, KiB));
  const other = await push(image([]), ["v1"]);
  await index().apply(TEAM, transaction([{ type: "manifestDeleted", digest: other }]));
  await index().apply(TEAM, transaction([{ type: "blobUnlinked", digest: layer }]));
  await damage(`"blobLinked","digest":"${layer}"`);
  await damage('"manifestPut"');
  const { told } = await repair();
  t.deepEqual(said(told), ["index team/app", "found recovered"]);
  t.is(await index().manifest(TEAM, other), undefined);
  t.is(await index().blob(TEAM, layer), undefined);
});

test("bytes that are gone come back from the trash; those that are nowhere are told with who needs them", async (t) => {
  const { blobs, blob, push, repair, directory } = await world(t);
  const [trashed, lost, short] = [bytesOf(1, KiB), bytesOf(2, KiB), bytesOf(3, KiB)];
  for (const bytes of [CONFIG, trashed, lost, short]) await blob(bytes);
  await blob(trashed, OTHER);
  const manifest = await push(image([trashed, lost, short].map((bytes) => describe(LAYER, bytes))), ["v1"]);
  await blobs.discard(digestOf(trashed));
  await blobs.discard(manifest);
  await rm(pathOf(directory, digestOf(lost)));
  await blobs.discard(digestOf(short));
  await writeFile(pathOf(directory, digestOf(short)), "short");
  const dry = await repair({ dryRun: true });
  t.is(dry.faults.length, 5);
  const { repaired, told, changed, faults } = await repair();
  t.deepEqual(repaired, { ...NOTHING, restored: 3, lost: 1 });
  t.deepEqual(dry.repaired, repaired);
  t.deepEqual(dry.told, told);
  t.deepEqual(changed, told);
  const needed = told.find(({ what }) => what === "bytes-lost");
  t.like(needed, { repository: TEAM, digest: digestOf(lost), size: KiB, as: "blob" });
  t.like(needed, { manifests: { items: [manifest], total: 1 }, tags: { items: [], total: 0 } });
  t.like(faults, [{ what: "blob-missing", digest: digestOf(lost) }]);
  t.is(faults.length, 1);
  for (const bytes of [trashed, short]) t.deepEqual(await readBlob(blobs, digestOf(bytes)), bytes);
});

test("what the trash has is compared before it is believed", async (t) => {
  const { blobs, blob, repair, directory } = await world(t);
  const digest = await blob(bytesOf(1, KiB));
  await blobs.discard(digest);
  const path = join(directory, "trash", ...digest.split(":"));
  await rm(path);
  await writeFile(path, bytesOf(2, KiB));
  const { repaired, told } = await repair();
  t.deepEqual(repaired, { ...NOTHING, lost: 1 });
  t.deepEqual(said(told), ["quarantined team/app", "bytes-lost team/app"]);
  t.is(await blobs.stat(digest), undefined);
  const file = join(directory, "quarantine", ...digest.split(":"));
  t.like(told[0], { file });
  t.deepEqual(await readFile(file), bytesOf(2, KiB));
});

test("an index of which nothing can be read is repaired too, and what it had is in the repository for what is found", async (t) => {
  const { blob, push, journal, damage, repair, index } = await world(t);
  await blob(CONFIG);
  const lost = await push(image([]), ["v1"]);
  await damage('"seq"', () => ["nothing", "of it"]);
  t.false((await readFile(journal(TEAM), "utf8")).includes("seq"));
  const { repaired, faults } = await repair();
  t.deepEqual(repaired, { ...NOTHING, indexes: 1, manifests: 1, blobs: 1 });
  t.deepEqual(faults, []);
  t.truthy(await index().manifest(RECOVERED, lost));
  await index().apply(TEAM, transaction([put(lost, [])]));
});
