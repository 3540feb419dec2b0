import { Readable } from "node:stream";
import test from "ava";
import { createMemoryBlobs } from "../../src/blobs/memory.ts";
import { LocalHolds } from "../../src/cluster/local-holds.ts";
import type { Digest } from "../../src/core/digest.ts";
import { isLayerdError } from "../../src/core/errors.ts";
import { parseRepositoryName } from "../../src/core/name.ts";
import { compileRules } from "../../src/core/rules.ts";
import { createMemoryIndex } from "../../src/index/memory.ts";
import { eachOf } from "../../src/registry/move/each.ts";
import type { MoveFault } from "../../src/registry/move/moved.ts";
import { Mover } from "../../src/registry/move/mover.ts";
import { Listing } from "../../src/registry/move/pages.ts";
import { type Source, sourceOf } from "../../src/registry/move/source.ts";
import { bytesOf, read, store } from "../blobs/samples.ts";
import { digest as digestNumber, link, transaction } from "../index/samples.ts";

const TEAM = parseRepositoryName("team/app");
const RULES = compileRules([], { maxBlobSize: 1e9, maxManifestSize: 1e9, sparse: false });

const unlink = (digest: Digest) => ({ type: "blobUnlinked", digest }) as const;

function stores(limit = 1e8) {
  return { blobs: createMemoryBlobs({ limit }), index: createMemoryIndex(), holds: new LocalHolds() };
}

/** A store with so many blobs of 1,000 bytes, and their digests. */
async function filled(count: number) {
  const old = stores();
  const digests: Digest[] = [];
  for (let seed = 1; seed <= count; seed += 1) {
    const { digest, size } = await store(old.blobs, bytesOf(seed, 1000));
    await old.index.apply(TEAM, transaction([link(digest, { size })]));
    digests.push(digest);
  }
  return { ...old, digests, source: sourceOf(old) };
}

test("blobs come in the order in which they came, however many there are and whatever is missing", async (t) => {
  const { index, source, digests } = await filled(450);
  const gone = digests.filter((_, at) => at % 7 === 3);
  for (const digest of gone) await index.apply(TEAM, transaction([unlink(digest)]));
  const target = stores();
  const moved = await new Mover(target, RULES).copy(source);
  const rest = digests.filter((digest) => !gone.includes(digest));
  t.like(moved, { blobs: rest.length, copied: rest.length, bytes: rest.length * 1000, faults: 0 });
  const { items } = await target.index.blobs(TEAM, { limit: 1000 });
  t.deepEqual(
    items.map(({ digest }) => digest),
    rest.reverse(),
  );
});

test("a listing has what was there when it was begun, each once, although entries come and go", async (t) => {
  const { index, source, digests } = await filled(450);
  const listing = await Listing.of((page) => source.blobs(TEAM, page));
  for (const digest of digests.slice(210, 240)) await index.apply(TEAM, transaction([unlink(digest)]));
  await index.apply(TEAM, transaction([link(digestNumber(9999))]));
  const listed: Digest[] = [];
  for await (const page of listing.oldestFirst()) listed.push(...page.map(({ digest }) => digest));
  t.deepEqual(listed, [...digests.slice(0, 210), ...digests.slice(240)]);
});

test("a blob that the disk does not give is told, and the rest goes on", async (t) => {
  const { source, digests } = await filled(20);
  const [bad] = digests;
  const bytes: Source["bytes"] = async (digest) => {
    if (digest !== bad) return await source.bytes(digest);
    const pieces = async function* () {
      yield bytesOf(1, 500);
      throw new Error("EIO: i/o error, read");
    };
    return { size: 1000, stream: Readable.from(pieces(), { objectMode: false }), close: () => undefined };
  };
  const target = stores();
  const faults: MoveFault[] = [];
  const fault = (each: MoveFault) => faults.push(each);
  const moved = await new Mover(target, RULES).copy({ ...source, bytes }, { fault });
  t.like(moved, { blobs: 19, copied: 19, faults: 1, sourceChanged: false });
  const why = "it cannot be read: EIO: i/o error, read";
  t.deepEqual(faults, [
    { repository: TEAM, what: "unreadable", digest: bad, size: 1000, as: "blob", why } as MoveFault,
  ]);
  t.is(await target.blobs.stat(bad as Digest), undefined);
});

test("a target that is full ends the pass, and what has come stays", async (t) => {
  const { source, digests } = await filled(20);
  const target = stores(10_500);
  const error = await t.throwsAsync(new Mover(target, RULES).copy(source));
  t.true(isLayerdError(error, "STORE_FULL"), String(error));
  t.deepEqual((await target.index.blobs(TEAM, { limit: 100 })).items, []);
  const there = await Promise.all(digests.map((digest) => target.blobs.stat(digest)));
  t.true(there.some((stat) => stat !== undefined));
});

test("until they are linked, blobs are held; afterwards they are not", async (t) => {
  const { source, digests } = await filled(20);
  const holds = new LocalHolds();
  const held: boolean[] = [];
  const onCommit = () => held.push(digests.every((digest) => holds.has(digest)));
  const target = { ...stores(), index: createMemoryIndex({ onCommit }), holds };
  await new Mover(target, RULES).copy(source);
  t.deepEqual(held, [true]);
  t.false(digests.some((digest) => holds.has(digest)));
});

test("a dry run counts bytes once that several repositories share, and changes nothing", async (t) => {
  const { source, index, digests } = await filled(3);
  const other = parseRepositoryName("team/other");
  await index.apply(other, transaction(digests.map((digest) => link(digest, { size: 1000 }))));
  const target = stores();
  const moved = await new Mover(target, RULES).copy(source, { dryRun: true });
  const expected = { repositories: 2, blobs: 6, manifests: 0, tags: 0, copied: 3, bytes: 3000, faults: 0 };
  t.deepEqual(moved, expected);
  t.deepEqual((await target.index.repositories({ limit: 10 })).items, []);
  t.is(await target.blobs.stat(digests[0] as Digest), undefined);
  t.like(await new Mover(target, RULES).copy(source), expected);
  const handle = await target.blobs.open(digests[0] as Digest);
  t.deepEqual(handle && (await read(handle)), bytesOf(1, 1000));
});

test("progress counts the bytes that the target lacks", async (t) => {
  const { source, digests } = await filled(20);
  const target = stores();
  await store(target.blobs, bytesOf(1, 1000));
  const totals = new Set<number>();
  await new Mover(target, RULES).copy(source, { progress: ({ total }) => totals.add(total) });
  t.deepEqual([...totals], [(digests.length - 1) * 1000]);
});

test("when one of several fails, no more are begun, and those under way are waited for", async (t) => {
  const begun: number[] = [];
  const ended: number[] = [];
  const slow = Promise.withResolvers<void>();
  const working = eachOf([0, 1, 2, 3, 4, 5], 3, async (item) => {
    begun.push(item);
    if (item === 1) throw new Error("one");
    await slow.promise;
    ended.push(item);
  });
  slow.resolve();
  await t.throwsAsync(working, { message: "one" });
  t.deepEqual(begun, [0, 1, 2]);
  t.deepEqual(ended, [0, 2]);
  t.deepEqual(await eachOf([3, 1, 2], 2, async (item) => item * 2), [6, 2, 4]);
});
