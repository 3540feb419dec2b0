import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { createMemoryBlobs } from "../../src/blobs/memory.ts";
import type { BlobStore, Inspected, ScrubNote } from "../../src/blobs/port.ts";
import { fileScrubNotes } from "../../src/blobs/scrub-note.ts";
import { createLocalCluster } from "../../src/cluster/local.ts";
import { LocalHolds } from "../../src/cluster/local-holds.ts";
import { type Digest, digestOf } from "../../src/core/digest.ts";
import { LayerdError } from "../../src/core/errors.ts";
import { parseRepositoryName } from "../../src/core/name.ts";
import { createMemoryIndex } from "../../src/index/memory.ts";
import { Rate } from "../../src/registry/scrub/rate.ts";
import { type Rot, Scrubber, type ScrubOptions } from "../../src/registry/scrub/scrubber.ts";
import { Scrubs } from "../../src/registry/scrub/scrubs.ts";
import { bytesOf, KiB, MiB, openStore, pathOf, readBlob, spoil, store } from "../blobs/samples.ts";
import { link, put, setTag, transaction } from "../index/samples.ts";
import { eventually } from "../tools/eventually.ts";

const TEAM = parseRepositoryName("team/app");
const OTHER = parseRepositoryName("other");
// Milliseconds.
const KEEP = 60_000;

/** A store of files, and what scrubs it. */
async function world(t: ExecutionContext) {
  const { blobs, directory } = await openStore(t, { durability: "os" });
  const stores = { blobs, index: createMemoryIndex(), holds: new LocalHolds() };
  const logged: Rot[] = [];
  const scrubber = new Scrubber(stores, { keep: KEEP, onRot: (rot) => logged.push(rot) });
  const scrub = async (options: ScrubOptions = {}) => {
    const rots: Rot[] = [];
    const scrubbed = await scrubber.scrub({ ...options, report: (rot) => rots.push(rot) });
    return { ...scrubbed, rots };
  };
  const rot = (digest: Digest, bytes: Buffer) => {
    const path = pathOf(directory, digest);
    return spoil(path, () => writeFile(path, bytes));
  };
  return { ...stores, directory, scrubber, scrub, rot, logged };
}

test("a sound store is read whole, and nothing is said", async (t) => {
  const { blobs, scrub, logged } = await world(t);
  await store(blobs, Buffer.alloc(0));
  await store(blobs, bytesOf(1, KiB), { algorithms: ["sha512"] });
  await store(blobs, bytesOf(2, 3 * MiB));
  t.like(await scrub(), { blobs: 3, bytes: KiB + 3 * MiB, quarantined: 0, rots: [] });
  t.deepEqual(logged, []);
});

for (const [what, algorithm, size, spoilt] of [
  ["other bytes of the same length", "sha256", 2 * MiB, bytesOf(9, 2 * MiB)],
  ["other bytes in a small blob", "sha512", KiB, bytesOf(9, KiB)],
  ["a blob that was cut short", "sha256", KiB, bytesOf(1, KiB - 1)],
  ["nothing where something was", "sha512", KiB, Buffer.alloc(0)],
] as const) {
  test(`${what}: reported, not served, healed by the next push`, async (t) => {
    const { blobs, scrub, rot, logged } = await world(t);
    const bytes = bytesOf(1, size);
    const { digest } = await store(blobs, bytes, { algorithms: [algorithm] });
    const { digest: sound } = await store(blobs, bytesOf(2, KiB));
    await readBlob(blobs, digest);
    await rot(digest, spoilt);
    const { rots, ...tally } = await scrub();
    t.like(tally, { blobs: 2, quarantined: 1, kept: 0, unreadable: 0 });
    const why = `its bytes are ${digestOf(spoilt, algorithm)}`;
    const [{ until = "", file = "", ...rest } = {}] = rots;
    t.deepEqual([rest], [{ digest, size: spoilt.length, what: "quarantined", why, neededBy: [] }]);
    t.deepEqual(await readFile(file), spoilt);
    t.true(Math.abs(Date.parse(until) - Date.now() - KEEP) < 30_000);
    const [{ quarantinedAt, ...stat } = {}] = await Array.fromAsync(blobs.quarantined());
    t.deepEqual(stat, { digest, size: spoilt.length });
    t.true(Math.abs(Number(quarantinedAt) - Date.now()) < 30_000);
    t.deepEqual(logged, rots);
    t.is(await blobs.stat(digest), undefined);
    t.not(await blobs.stat(sound), undefined);
    await store(blobs, bytes, { algorithms: [algorithm] });
    t.deepEqual(await readBlob(blobs, digest), bytes);
    t.like(await scrub(), { blobs: 2, rots: [] });
  });
}

test("who needs what is damaged is named, with the manifests", async (t) => {
  const { blobs, index, scrub, rot } = await world(t);
  const { digest: layer } = await store(blobs, bytesOf(1, KiB));
  const { digest: image } = await store(blobs, bytesOf(2, KiB));
  const { digest: list } = await store(blobs, bytesOf(3, KiB));
  const changes = [
    link(layer),
    put(image, [layer]),
    put(list, [], { manifests: [image] }),
    setTag("v1", list),
  ];
  await index.apply(TEAM, transaction(changes));
  await index.apply(OTHER, transaction([link(layer)]));
  for (const digest of [layer, image]) await rot(digest, bytesOf(9, KiB));
  const { rots } = await scrub();
  const needs = new Map(rots.map(({ digest, neededBy }) => [digest, neededBy]));
  t.deepEqual(needs.get(layer), [
    { repository: OTHER, as: "blob", manifests: [] },
    { repository: TEAM, as: "blob", manifests: [image] },
  ]);
  t.deepEqual(needs.get(image), [{ repository: TEAM, as: "manifest", manifests: [list] }]);
});

test("what somebody is just about to link stays, and goes with the next scrub", async (t) => {
  const { blobs, holds, scrub, rot } = await world(t);
  const { digest } = await store(blobs, bytesOf(1, 100 * KiB));
  await rot(digest, bytesOf(2, 100 * KiB));
  const hold = holds.open();
  await hold.add(digest);
  t.like(await scrub(), { kept: 1, quarantined: 0 });
  t.not(await blobs.stat(digest), undefined);
  hold[Symbol.dispose]();
  t.like(await scrub(), { kept: 0, quarantined: 1 });
  t.is(await blobs.stat(digest), undefined);
});

/** Runs `meanwhile` after each look at a blob has been taken: 1 is the first one. */
function interfere(blobs: BlobStore, meanwhile: (look: number) => Promise<void>): void {
  const inspect = blobs.inspect.bind(blobs);
  let looks = 0;
  Object.assign(blobs, {
    inspect: async (digest: Digest): Promise<Inspected | undefined> => {
      const inspected = await inspect(digest);
      looks += 1;
      await meanwhile(looks);
      return inspected;
    },
  });
}

for (const look of [1, 2]) {
  test(`a push that heals a blob after it was looked at ${look} times is not undone`, async (t) => {
    const { blobs, scrub, rot } = await world(t);
    const bytes = bytesOf(1, MiB);
    const { digest } = await store(blobs, bytes);
    await rot(digest, bytesOf(2, MiB));
    interfere(blobs, async (looks) => {
      if (looks === look) await store(blobs, bytes);
    });
    t.like(await scrub(), { blobs: 1, quarantined: 0, rots: [] });
    t.deepEqual(await readBlob(blobs, digest), bytes);
  });
}

test("a blob that goes while the store is scrubbed is not missed", async (t) => {
  const { blobs, scrub } = await world(t);
  const { digest } = await store(blobs, bytesOf(1, KiB));
  const inspect = blobs.inspect.bind(blobs);
  Object.assign(blobs, { inspect: (asked: Digest) => blobs.discard(digest).then(() => inspect(asked)) });
  t.like(await scrub(), { blobs: 0, rots: [] });
});

test("what the disk does not give is reported and stays, and the rest is read", async (t) => {
  const { blobs, scrub } = await world(t);
  const { digest } = await store(blobs, bytesOf(1, KiB));
  await store(blobs, bytesOf(2, KiB));
  const inspect = blobs.inspect.bind(blobs);
  const failing = async (asked: Digest) => {
    if (asked !== digest) return await inspect(asked);
    throw new LayerdError("UNAVAILABLE", undefined, { cause: new Error("EIO: i/o error") });
  };
  Object.assign(blobs, { inspect: failing });
  const { rots, ...tally } = await scrub();
  t.like(tally, { blobs: 2, bytes: KiB, unreadable: 1, quarantined: 0 });
  t.deepEqual(rots, [{ digest, what: "unreadable", why: "it cannot be read: EIO: i/o error", neededBy: [] }]);
  t.not(await blobs.stat(digest), undefined);
});

test("what scrubs have come to is counted, while they run and whoever ends them", async (t) => {
  const { blobs, scrub, scrubber, rot } = await world(t);
  const { record } = scrubber;
  const { digest } = await store(blobs, bytesOf(1, KiB));
  await store(blobs, bytesOf(2, 2 * KiB));
  await rot(digest, bytesOf(9, KiB));
  await scrub({ passed: async () => void t.true(record.tally.blobs > 0 && record.tally.bytes > 0) });
  t.like(record, { succeeded: 1, failed: 0 });
  t.deepEqual(record.tally, { blobs: 2, bytes: 3 * KiB, quarantined: 1, kept: 0, unreadable: 0 });
  const { lastAt } = record;
  t.true(lastAt !== undefined);
  const list = blobs.list.bind(blobs);
  Object.assign(blobs, {
    async *list() {
      yield* list();
      throw new Error("EIO");
    },
  });
  await t.throwsAsync(scrub());
  await t.throwsAsync(scrub({ signal: AbortSignal.abort() }));
  t.like(record, { succeeded: 1, failed: 1, lastAt });
  t.is(record.tally.blobs, 3);
});

test("how far it has come is told, of what there is in all", async (t) => {
  const { blobs, scrub } = await world(t);
  await store(blobs, bytesOf(1, KiB));
  await store(blobs, bytesOf(2, 2 * KiB));
  const told: { done: number; total: number }[] = [];
  await scrub({ progress: (progress) => told.push(progress) });
  t.is(told[0]?.total, 3 * KiB);
  t.true((told[0]?.done ?? 0) > 0);
});

test("a scrub is broken off by its signal, and by closing; nothing stays open", async (t) => {
  const { blobs, scrub, scrubber } = await world(t);
  await store(blobs, bytesOf(1, 5 * MiB));
  const abort = new AbortController();
  const slow = scrub({ rate: 1, signal: abort.signal, progress: () => abort.abort() });
  await t.throwsAsync(slow, { name: "AbortError" });
  const closed = scrub({ rate: 1, progress: () => void scrubber.close() });
  await t.throwsAsync(closed, { name: "AbortError" });
  await t.throwsAsync(scrub(), { name: "AbortError" });
});

test("no more bytes are read in a while than the rate allows", async (t) => {
  const rate = new Rate(10 * MiB, new AbortController().signal);
  const began = performance.now();
  for (let times = 0; times < 12; times += 1) await rate.spend(100 * KiB);
  // 117 ms, but for timers that are a little early.
  t.true(performance.now() - began > 110);
});

/** Notes that can be looked at. */
class Notes {
  note: ScrubNote = {};
  /** Passes that were noted as come to their end. */
  finished = 0;

  async read(): Promise<ScrubNote> {
    return this.note;
  }

  async write(note: ScrubNote): Promise<void> {
    this.note = note;
    if (note.finishedAt !== undefined) this.finished += 1;
  }
}

/** Three blobs that are scrubbed in the background, once `begin` is called; each time is a process of its own. */
async function background(t: ExecutionContext) {
  const blobs = createMemoryBlobs({ limit: 10 * MiB });
  for (const seed of [1, 2, 3]) await store(blobs, bytesOf(seed, 10 * KiB));
  const notes = new Notes();
  const passes: number[] = [];
  const begin = () => {
    const scrubber = new Scrubber(
      { blobs, index: createMemoryIndex(), holds: new LocalHolds() },
      { keep: KEEP },
    );
    const scrubs = new Scrubs(scrubber, createLocalCluster(), {
      scrub: {
        background: { rate: 100 * MiB, interval: 5, notes },
        onScrubbed: (scrubbed) => passes.push(scrubbed.blobs),
      },
      onError: (error) => t.fail(String(error)),
    });
    t.teardown(() => scrubs.close());
    return scrubs;
  };
  return { blobs, digests: await Array.fromAsync(blobs.list()), notes, passes, begin };
}

test("in the background one pass follows on the other", async (t) => {
  const { begin, notes, passes } = await background(t);
  const scrubs = begin();
  await eventually(async () => passes.length >= 2);
  await scrubs.close();
  t.deepEqual(passes.slice(0, 2), [3, 3]);
  // What the note says now depends on how far a third pass had come.
  t.true(notes.finished >= 1);
});

test("a pass waits until an interval after the end of the last one, which another process may have run", async (t) => {
  const { begin, notes, passes } = await background(t);
  const hour = 3_600_000;
  notes.note = { finishedAt: new Date(Date.now() + hour).toISOString() };
  let reads = 0;
  const read = notes.read.bind(notes);
  Object.assign(notes, {
    read: () => {
      reads += 1;
      return read();
    },
  });
  begin();
  await eventually(async () => reads >= 2);
  t.deepEqual(passes, []);
});

test("a pass that a restart breaks off goes on where it was", async (t) => {
  const { blobs, digests, begin, notes, passes } = await background(t);
  const inspect = blobs.inspect.bind(blobs);
  const scrubs = begin();
  let closing: Promise<void> | undefined;
  const breaking = (digest: Digest) => {
    if (digest === digests[1]) closing ??= scrubs.close();
    return inspect(digest);
  };
  Object.assign(blobs, { inspect: breaking });
  await eventually(async () => closing !== undefined);
  await closing;
  t.deepEqual(passes, []);
  t.deepEqual(notes.note, { after: digests[0] });
  Object.assign(blobs, { inspect });
  begin();
  await eventually(async () => passes.length >= 1);
  t.is(passes[0], 2);
});

test("the note survives in its file, and a damaged one says nothing", async (t) => {
  const { directory } = await openStore(t);
  const notes = fileScrubNotes(directory);
  t.deepEqual(await notes.read(), {});
  const after = digestOf(bytesOf(1, 10));
  for (const note of [{ after }, { finishedAt: "2026-11-24T10:00:00.000Z" }, {}]) {
    await notes.write(note);
    t.deepEqual(await fileScrubNotes(directory).read(), note);
  }
  for (const text of ["", "null", '{"after":"../../x","finishedAt":"soon"}', "{"]) {
    await writeFile(join(directory, "scrub.json"), text);
    t.deepEqual(await notes.read(), {});
  }
});
