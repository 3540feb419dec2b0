import type { Digest } from "../../src/core/digest.ts";
import type { Index, Requirement } from "../../src/index/port.ts";
import { digest, LIBRARY, link, put, setTag, tag, transaction } from "../index/samples.ts";
import type { Define } from "./index.ts";

const REFUSED = { code: "PRECONDITION_FAILED" };
const ALL = { limit: 1000 };

/** Unlinks a blob as garbage collection does. */
async function collect(index: Index, blob: Digest): Promise<void> {
  const requires: Requirement[] = [
    { type: "blobUnused", digest: blob },
    { type: "unpromised", digest: blob },
  ];
  await index.apply(LIBRARY, transaction([{ type: "blobUnlinked", digest: blob }], requires));
}

/** Lets all promises end. */
async function ended(index: Index, digests: readonly Digest[]): Promise<void> {
  for (let times = 0; times < 2; times += 1) await index.agePromises();
  for (const each of digests) if (await index.isPromised(each)) throw new Error(`${each} is still promised`);
}

/** What garbage collection relies on. */
export function testPromises(index: Define): void {
  index("what was linked is promised for one to two generations", async (t, index) => {
    await index.apply(LIBRARY, transaction([link(digest(1))]));
    await t.throwsAsync(collect(index, digest(1)), REFUSED);
    await index.agePromises();
    await t.throwsAsync(collect(index, digest(1)), REFUSED);
    await index.agePromises();
    await collect(index, digest(1));
    t.is(await index.blob(LIBRARY, digest(1)), undefined);
  });

  index("linking what is linked already promises it anew, as looking for it does", async (t, index) => {
    for (const blob of [digest(1), digest(2)]) await index.apply(LIBRARY, transaction([link(blob)]));
    await index.agePromises();
    await index.agePromises();
    await index.apply(LIBRARY, transaction([link(digest(1))]));
    await index.blob(LIBRARY, digest(2), { promise: true });
    for (const blob of [digest(1), digest(2)]) await t.throwsAsync(collect(index, blob), REFUSED);
  });

  index(
    "a promise holds in every repository, and nothing is promised that is not found",
    async (t, index) => {
      const other = "other" as typeof LIBRARY;
      for (const repository of [LIBRARY, other])
        await index.apply(repository, transaction([link(digest(1))]));
      await index.agePromises();
      await index.agePromises();
      t.is(await index.blob(LIBRARY, digest(2), { promise: true }), undefined);
      t.not(await index.blob(other, digest(1), { promise: true }), undefined);
      await t.throwsAsync(collect(index, digest(1)), REFUSED);
      const unpromised = { type: "unpromised", digest: digest(2) } as const;
      await t.notThrowsAsync(index.apply(LIBRARY, transaction([], [unpromised])));
    },
  );

  index("the manifest that a tag is moved away from, or is deleted from, is promised", async (t, index) => {
    const [first, second] = [digest(1), digest(2)];
    await index.apply(LIBRARY, transaction([put(first), put(second), setTag("v1", first)]));
    await ended(index, [first, second]);
    await index.apply(LIBRARY, transaction([setTag("v1", second)]));
    t.true(await index.isPromised(first));
    await ended(index, [first, second]);
    await index.apply(LIBRARY, transaction([{ type: "tagDeleted", tag: tag("v1") }]));
    t.deepEqual([await index.isPromised(first), await index.isPromised(second)], [false, true]);
  });

  index("the subject of what is pushed is promised", async (t, index) => {
    await index.apply(LIBRARY, transaction([put(digest(1)), put(digest(2))]));
    await ended(index, [digest(1), digest(2)]);
    await index.apply(LIBRARY, transaction([put(digest(3), [], { subject: digest(1) })]));
    t.deepEqual([await index.isPromised(digest(1)), await index.isPromised(digest(2))], [true, false]);
  });

  index("whoever is told of a manifest is promised what it names", async (t, index) => {
    const [layer, child, parent] = [digest(1), digest(2), digest(3)];
    const collectAll = async () => {
      for (const manifest of [parent, child]) {
        await index.apply(LIBRARY, transaction([{ type: "manifestDeleted", digest: manifest }]));
      }
      await collect(index, layer);
    };
    await index.apply(LIBRARY, transaction([link(layer), put(child, [layer])]));
    await index.apply(LIBRARY, transaction([put(parent, [layer], { manifests: [child] })]));
    await index.agePromises();
    await index.agePromises();
    await index.manifest(LIBRARY, parent, { promise: true });
    for (const named of [parent, child]) {
      const unpromised = { type: "unpromised", digest: named } as const;
      await t.throwsAsync(index.apply(LIBRARY, transaction([], [unpromised])), REFUSED);
    }
    await t.throwsAsync(collectAll(), REFUSED);
    await index.agePromises();
    await index.agePromises();
    await t.notThrowsAsync(collectAll());
  });

  index("a manifest is needed by a tag, by an index that lists it, by its subject", async (t, index) => {
    const manifest = digest(1);
    const unneeded = (about = manifest) =>
      index.apply(LIBRARY, transaction([], [{ type: "manifestUnneeded", digest: about }]));
    await index.apply(LIBRARY, transaction([put(manifest, []), setTag("v1", manifest)]));
    await t.throwsAsync(unneeded(), REFUSED);
    await index.apply(LIBRARY, transaction([{ type: "tagDeleted", tag: tag("v1") }]));
    await t.notThrowsAsync(unneeded());

    await index.apply(LIBRARY, transaction([put(digest(2), [], { manifests: [manifest] })]));
    await t.throwsAsync(unneeded(), REFUSED);
    await index.apply(LIBRARY, transaction([{ type: "manifestDeleted", digest: digest(2) }]));
    await t.notThrowsAsync(unneeded());

    await index.apply(LIBRARY, transaction([put(digest(3), [], { subject: manifest })]));
    await t.throwsAsync(unneeded(digest(3)), REFUSED);
    await t.notThrowsAsync(unneeded());
    await index.apply(LIBRARY, transaction([{ type: "manifestDeleted", digest: manifest }]));
    await t.notThrowsAsync(unneeded(digest(3)));
  });

  index("blobs that no manifest names are found page by page", async (t, index) => {
    const blobs = Array.from({ length: 25 }, (_, at) => digest(100 + at));
    await index.apply(LIBRARY, transaction(blobs.map((blob) => link(blob))));
    await index.apply(LIBRARY, transaction([put(digest(1), blobs.slice(0, 20))]));
    const found: Digest[] = [];
    for (let before: number | undefined; ; ) {
      const page = await index.unusedBlobs(LIBRARY, {
        limit: 10,
        ...(before === undefined ? {} : { before }),
      });
      found.push(...page.items.map((entry) => entry.digest));
      before = page.next;
      if (before === undefined) break;
    }
    t.deepEqual(found.sort(), blobs.slice(20).sort());
    await index.apply(LIBRARY, transaction([{ type: "manifestDeleted", digest: digest(1) }]));
    t.is((await index.unusedBlobs(LIBRARY, ALL)).items.length, 25);
  });

  index("a repository that was written well is intact", async (t, index) => {
    await index.apply(LIBRARY, transaction([link(digest(1))]));
    t.true(await index.intact(LIBRARY));
    t.true(await index.intact("nowhere" as typeof LIBRARY));
  });
}
