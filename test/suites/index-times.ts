import type { ExecutionContext } from "ava";
import type { Change, Index, ManifestEntry } from "../../src/index/port.ts";
import { digest, LIBRARY, put, setTag, tag, transaction } from "../index/samples.ts";
import type { Define } from "./index.ts";

const [IMAGE, OTHER, SIGNATURE, CLOCK] = [digest(1), digest(2), digest(3), digest(4)];

/** Makes changes, and resolves with the time at which they were made: that of a manifest put with them. */
async function make(index: Index, ...changes: readonly Change[]): Promise<string | undefined> {
  await index.apply(LIBRARY, transaction([{ type: "manifestDeleted", digest: CLOCK }]));
  await index.apply(LIBRARY, transaction([...changes, put(CLOCK)]));
  return (await index.manifest(LIBRARY, CLOCK))?.createdAt;
}

/** The entry of a manifest that is here, which lists say too. */
async function entryOf(t: ExecutionContext, index: Index, manifest = IMAGE): Promise<ManifestEntry> {
  const entry = (await index.manifest(LIBRARY, manifest)) ?? t.fail("it is not here");
  const { items } = await index.manifests(LIBRARY, { limit: 100 });
  const listed = items.find((each) => each.digest === manifest) ?? t.fail("it is not listed");
  const { tags: _, ...same } = listed;
  t.deepEqual(same, entry);
  return entry;
}

/** Since when a manifest has had no tag, and no subject. */
export function testTimes(index: Define): void {
  index("a manifest that never had a tag does not say that it lost one", async (t, index) => {
    await make(index, put(IMAGE), put(OTHER), setTag("v1", OTHER));
    t.false("untaggedAt" in (await entryOf(t, index)));
    t.false("untaggedAt" in (await entryOf(t, index, OTHER)));
  });

  index("a manifest says when its last tag was deleted, or moved away", async (t, index) => {
    await make(index, put(IMAGE), put(OTHER), setTag("v1", IMAGE), setTag("v2", IMAGE));
    await make(index, { type: "tagDeleted", tag: tag("v2") });
    t.is((await entryOf(t, index)).untaggedAt, undefined);
    const moved = await make(index, setTag("v1", OTHER));
    t.is((await entryOf(t, index)).untaggedAt, moved);
    const deleted = await make(index, { type: "tagDeleted", tag: tag("v1") });
    t.is((await entryOf(t, index, OTHER)).untaggedAt, deleted);
    t.is((await entryOf(t, index)).untaggedAt, moved);
  });

  index(
    "one that gets a tag again says so no more, and one that is pushed again begins anew",
    async (t, index) => {
      await make(index, put(IMAGE), setTag("v1", IMAGE));
      await make(index, { type: "tagDeleted", tag: tag("v1") });
      const entry = await entryOf(t, index);
      await make(index, put(IMAGE));
      t.deepEqual(await entryOf(t, index), entry);
      await make(index, setTag("v2", IMAGE));
      t.false("untaggedAt" in (await entryOf(t, index)));
      await make(index, { type: "tagDeleted", tag: tag("v2") });
      await make(index, { type: "manifestDeleted", digest: IMAGE }, put(IMAGE));
      t.false("untaggedAt" in (await entryOf(t, index)));
    },
  );

  index("a tag that is away only within one transaction was never away", async (t, index) => {
    await make(index, put(IMAGE), put(OTHER), setTag("v1", IMAGE));
    await make(index, setTag("v1", OTHER), setTag("v1", IMAGE));
    t.false("untaggedAt" in (await entryOf(t, index)));
  });

  index("what refers to a manifest says when that was deleted, until it is back", async (t, index) => {
    await make(index, put(IMAGE), put(SIGNATURE, [], { subject: IMAGE }));
    t.false("subjectGoneAt" in (await entryOf(t, index, SIGNATURE)));
    const deleted = await make(index, { type: "manifestDeleted", digest: IMAGE });
    t.is((await entryOf(t, index, SIGNATURE)).subjectGoneAt, deleted);
    const { items } = await index.referrers(LIBRARY, IMAGE, { limit: 9 });
    t.is(items[0]?.subjectGoneAt, deleted);
    await make(index, put(IMAGE));
    t.false("subjectGoneAt" in (await entryOf(t, index, SIGNATURE)));
  });

  index(
    "what refers to something that was not here while it was does not say that it went",
    async (t, index) => {
      await make(index, put(SIGNATURE, [], { subject: IMAGE }));
      await make(index, setTag("v1", IMAGE), { type: "manifestDeleted", digest: IMAGE });
      t.false("subjectGoneAt" in (await entryOf(t, index, SIGNATURE)));
      await make(index, put(IMAGE), { type: "manifestDeleted", digest: SIGNATURE });
      await make(index, { type: "manifestDeleted", digest: IMAGE });
      await make(index, put(SIGNATURE, [], { subject: IMAGE }));
      t.false("subjectGoneAt" in (await entryOf(t, index, SIGNATURE)));
    },
  );

  index("a subject can be required not to have been back", async (t, index) => {
    const goneSince = (subjectGoneAt: string | undefined) =>
      index.apply(LIBRARY, transaction([], [{ type: "manifestUnneeded", digest: SIGNATURE, subjectGoneAt }]));
    const refused = { code: "PRECONDITION_FAILED" };
    await make(index, put(IMAGE), put(SIGNATURE, [], { subject: IMAGE }));
    await t.throwsAsync(goneSince("2026-01-01T00:00:00.000Z"), refused);
    const first = await make(index, { type: "manifestDeleted", digest: IMAGE });
    await t.notThrowsAsync(goneSince(first));
    await make(index, put(IMAGE));
    await t.throwsAsync(goneSince(first), refused);
    while ((await make(index)) === first);
    const second = await make(index, { type: "manifestDeleted", digest: IMAGE });
    await t.throwsAsync(goneSince(first), refused);
    await t.notThrowsAsync(goneSince(second));
    await make(index, setTag("v1", SIGNATURE));
    await t.throwsAsync(goneSince(second), refused);
  });
}
