import test from "ava";
import fc from "fast-check";
import type { Digest } from "../../src/core/digest.ts";
import { fold } from "../../src/index/fold.ts";
import { encodeLine } from "../../src/index/line.ts";
import { loadRepository } from "../../src/index/load.ts";
import { repositoryPaths } from "../../src/index/paths.ts";
import type { Change, ManifestEntry, RecordedChange } from "../../src/index/port.ts";
import { capture, writeSnapshot } from "../../src/index/snapshot.ts";
import { RepositoryState } from "../../src/index/state.ts";
import { FakeDisk } from "./fake-disk.ts";
import { digest, LIBRARY, put, setTag, tag } from "./samples.ts";

interface Event {
  readonly change: RecordedChange;
  readonly at: string;
}

/** The time of the change with that number: no two are the same. */
function timeOf(number: number): string {
  return new Date(Date.UTC(2026, 0, 1) + number * 60_000).toISOString();
}

/** Folds changes, each at a time of its own, and says which of them took effect. */
function foldAll(state: RepositoryState, changes: readonly Change[]): Event[] {
  return changes.flatMap((each, number) => {
    const at = timeOf(number);
    const change = fold(state, each, at);
    if (change === undefined) return [];
    state.seq += 1;
    return [{ change, at }];
  });
}

/** What is here, and what is tagged, after some events: from the first on each time, which is slow and plain. */
function after(events: readonly Event[]): { here: Set<Digest>; tagged: Set<Digest> } {
  const here = new Set<Digest>();
  const tags = new Map<string, Digest>();
  for (const { change } of events) {
    if (change.type === "manifestPut") here.add(change.manifest.digest);
    if (change.type === "manifestDeleted") here.delete(change.digest);
    if (change.type === "manifestDeleted") for (const each of change.tags) tags.delete(each);
    if (change.type === "tagSet") tags.set(change.tag, change.digest);
    if (change.type === "tagDeleted") tags.delete(change.tag);
  }
  return { here, tagged: new Set(tags.values()) };
}

/** When something ended that was so before, and is so no more: looked for from the last event back to one of them. */
function endOf(
  events: readonly Event[],
  from: number,
  isSo: (events: readonly Event[]) => boolean,
): string | undefined {
  if (isSo(events)) return undefined;
  for (let count = events.length - 1; count >= from; count -= 1) {
    if (isSo(events.slice(0, count))) return events[count]?.at;
  }
  return undefined;
}

/** The times of all manifests that are here, as the whole history tells them. */
function timesIn(events: readonly Event[]): object[] {
  return [...after(events).here].map((manifest) => {
    const from = events.findLastIndex(
      ({ change }) => change.type === "manifestPut" && change.manifest.digest === manifest,
    );
    const put = events[from];
    const subject = put?.change.type === "manifestPut" ? put.change.manifest.subject : undefined;
    return {
      digest: manifest,
      createdAt: put?.at,
      untaggedAt: endOf(events, from + 1, (some) => after(some).tagged.has(manifest)),
      subjectGoneAt:
        subject === undefined ? undefined : endOf(events, from + 1, (some) => after(some).here.has(subject)),
    };
  });
}

function timesOf(manifests: readonly ManifestEntry[]): object[] {
  return manifests.map(({ digest, createdAt, untaggedAt, subjectGoneAt }) => {
    return { digest, createdAt, untaggedAt, subjectGoneAt };
  });
}

const someManifest = fc.integer({ min: 1, max: 4 }).map(digest);
const someTag = fc.constantFrom("a", "b", "c");
const someChange: fc.Arbitrary<Change> = fc.oneof(
  fc
    .tuple(someManifest, fc.option(someManifest, { nil: undefined }))
    .map(([manifest, subject]) => put(manifest, [], subject === undefined ? {} : { subject })),
  someManifest.map((manifest) => ({ type: "manifestDeleted", digest: manifest }) as const),
  fc.tuple(someTag, someManifest).map(([name, manifest]) => setTag(name, manifest)),
  someTag.map((name) => ({ type: "tagDeleted", tag: tag(name) }) as const),
);
const someChanges = fc.array(someChange, { maxLength: 60, size: "max" });

test("a manifest says since when it has had no tag, and no subject, as the whole history does", (t) => {
  fc.assert(
    fc.property(someChanges, (changes) => {
      const state = new RepositoryState();
      const events = foldAll(state, changes);
      t.deepEqual(timesOf(state.manifests.toArray()), timesIn(events));
    }),
  );
});

test("it says the same after a snapshot of any part and the journal of the rest are read", async (t) => {
  await fc.assert(
    fc.asyncProperty(someChanges, fc.nat(60), async (changes, captured) => {
      const disk = new FakeDisk();
      const paths = repositoryPaths("/", LIBRARY);
      for (const directory of paths.directories) await disk.makeDirectory(directory);
      const state = new RepositoryState();
      const events = foldAll(state, changes.slice(0, captured));
      if (captured > 0) await writeSnapshot(disk, paths.snapshot, capture(state));
      for (const [number, each] of changes.entries()) {
        const change = number < captured ? undefined : fold(state, each, timeOf(number));
        if (change !== undefined) events.push({ change, at: timeOf(number) });
      }
      const lines = events.map(({ change, at }, number) =>
        encodeLine({ seq: number + 1, at, who: "ann", changes: [change] }),
      );
      disk.place(paths.journal, Buffer.from(lines.join("")));
      const loaded = await loadRepository(disk, paths);
      t.deepEqual(loaded?.damaged, []);
      t.deepEqual(loaded?.state.manifests.toArray(), state.manifests.toArray());
      t.deepEqual(timesOf(state.manifests.toArray()), timesIn(events));
    }),
  );
});

test("an entry that somebody holds does not change with what happens to its manifest", (t) => {
  const state = new RepositoryState();
  const [image, signature] = [digest(1), digest(2)];
  foldAll(state, [put(image), put(signature, [], { subject: image }), setTag("a", signature)]);
  const held = state.manifests.toArray();
  const before = structuredClone(held);
  foldAll(state, [
    { type: "tagDeleted", tag: tag("a") },
    { type: "manifestDeleted", digest: image },
  ]);
  t.deepEqual(held, before);
  t.is(state.manifests.get(signature)?.untaggedAt, timeOf(0));
  t.is(state.manifests.get(signature)?.subjectGoneAt, timeOf(1));
});
