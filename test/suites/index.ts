import test, { type ExecutionContext } from "ava";
import { parseRepositoryName } from "../../src/core/name.ts";
import type { Index, PageRequest } from "../../src/index/port.ts";
import { digest, LIBRARY, link, put, setTag, tag, transaction } from "../index/samples.ts";
import { testCatalog, testNaming, testReferrers, testTagPages } from "./index-lists.ts";
import { testPromises } from "./index-promises.ts";
import { testRequirements, testTagRequirements } from "./index-requirements.ts";
import { testTimes } from "./index-times.ts";

/** What every index does, whatever it is made of. `open` is called once a test; the suite closes what it gives. */
export function testIndex(driver: string, open: (t: ExecutionContext) => Promise<Index>): void {
  const index = (title: string, body: (t: ExecutionContext, index: Index) => Promise<void>) => {
    test(`${driver}: ${title}`, async (t) => {
      const opened = await open(t);
      await body(t, opened).finally(() => opened.close());
    });
  };
  testBlobs(index);
  testManifests(index);
  testTags(index);
  testPages(index);
  testTagPages(index);
  testReferrers(index);
  testNaming(index);
  testCatalog(index);
  testRequirements(index);
  testTagRequirements(index);
  testPromises(index);
  testTimes(index);
  testConcurrency(index);
  testLifecycle(index);
}

/** Defines a test that is given an open index. */
export type Define = (title: string, body: (t: ExecutionContext, index: Index) => Promise<void>) => void;

const ALL: PageRequest = { limit: 1000 };

function testBlobs(index: Define): void {
  index("an unknown repository reads as empty", async (t, index) => {
    t.is(await index.blob(LIBRARY, digest(1)), undefined);
    t.is(await index.manifest(LIBRARY, digest(1)), undefined);
    t.is(await index.tag(LIBRARY, tag("v1")), undefined);
    t.deepEqual(await index.blobs(LIBRARY, ALL), { items: [] });
    t.deepEqual(await index.manifests(LIBRARY, ALL), { items: [] });
    t.deepEqual(await index.tags(LIBRARY, ALL), { items: [] });
    t.deepEqual(await index.referrers(LIBRARY, digest(1), ALL), { items: [] });
  });

  index("a linked blob is found with all that was said of it", async (t, index) => {
    await index.apply(LIBRARY, transaction([link(digest(1), { size: 12, mediaType: "a/b", name: "c.tar" })]));
    const { createdAt, position, ...entry } = (await index.blob(LIBRARY, digest(1))) ?? t.fail();
    t.deepEqual(entry, { digest: digest(1), size: 12, mediaType: "a/b", name: "c.tar" });
    t.is(new Date(createdAt).toISOString(), createdAt);
    t.true(Number.isSafeInteger(position));
  });

  index("a blob is linked to one repository only", async (t, index) => {
    await index.apply(LIBRARY, transaction([link(digest(1))]));
    t.is(await index.blob(parseRepositoryName("library/other"), digest(1)), undefined);
    t.is(await index.blob(parseRepositoryName("other"), digest(1)), undefined);
  });

  index("a blob linked again keeps its place and date, and has what was said last", async (t, index) => {
    await index.apply(LIBRARY, transaction([link(digest(1), { name: "old" }), link(digest(2))]));
    const before = await index.blob(LIBRARY, digest(1));
    await index.apply(LIBRARY, transaction([link(digest(1), { name: "new" })]));
    t.deepEqual(await index.blob(LIBRARY, digest(1)), before && { ...before, name: "new" });
    const { items } = await index.blobs(LIBRARY, ALL);
    t.deepEqual(
      items.map((entry) => entry.digest),
      [digest(2), digest(1)],
    );
  });

  index("what a blob unpacks to stays when it is linked again", async (t, index) => {
    const unpacked = { diffId: digest(9), size: 90 };
    await index.apply(LIBRARY, transaction([link(digest(1))]));
    await index.apply(LIBRARY, transaction([{ type: "blobUnpacked", digest: digest(1), unpacked }]));
    t.deepEqual((await index.blob(LIBRARY, digest(1)))?.unpacked, unpacked);
    await index.apply(LIBRARY, transaction([link(digest(1), { name: "new" })]));
    t.deepEqual((await index.blob(LIBRARY, digest(1)))?.unpacked, unpacked);
  });

  index("an unlinked blob is gone, and comes back as the newest", async (t, index) => {
    await index.apply(LIBRARY, transaction([link(digest(1)), link(digest(2))]));
    await index.apply(LIBRARY, transaction([{ type: "blobUnlinked", digest: digest(1) }]));
    t.is(await index.blob(LIBRARY, digest(1)), undefined);
    await index.apply(LIBRARY, transaction([link(digest(1))]));
    const { items } = await index.blobs(LIBRARY, ALL);
    t.deepEqual(
      items.map((entry) => entry.digest),
      [digest(1), digest(2)],
    );
  });

  index("changes to what is not there change nothing", async (t, index) => {
    const unpacked = { diffId: digest(9), size: 90 };
    await index.apply(
      LIBRARY,
      transaction([
        { type: "blobUnlinked", digest: digest(1) },
        { type: "blobUnpacked", digest: digest(1), unpacked },
        { type: "manifestDeleted", digest: digest(1) },
        { type: "tagDeleted", tag: tag("v1") },
      ]),
    );
    t.is(await index.blob(LIBRARY, digest(1)), undefined);
    t.is(await index.tag(LIBRARY, tag("v1")), undefined);
  });
}

function testManifests(index: Define): void {
  index("a manifest is found with all that was said of it", async (t, index) => {
    const manifest = {
      digest: digest(1),
      size: 700,
      mediaType: "a/manifest",
      artifactType: "a/type",
      blobs: [digest(2), digest(3)],
      manifests: [digest(5), digest(6)],
      subject: digest(4),
      annotations: { title: "größer" },
    };
    await index.apply(LIBRARY, transaction([{ type: "manifestPut", manifest }]));
    const { createdAt, position, ...entry } = (await index.manifest(LIBRARY, digest(1))) ?? t.fail();
    t.deepEqual(entry, manifest);
    t.is(new Date(createdAt).toISOString(), createdAt);
    t.true(Number.isSafeInteger(position));
  });

  index("a manifest put again is the one that was put first", async (t, index) => {
    await index.apply(LIBRARY, transaction([put(digest(1), [digest(2)])]));
    const before = await index.manifest(LIBRARY, digest(1));
    await index.apply(LIBRARY, transaction([put(digest(1), [digest(3)])]));
    t.deepEqual(await index.manifest(LIBRARY, digest(1)), before);
  });

  index("what a caller does to a change afterwards stays outside", async (t, index) => {
    const blobs = [digest(2)];
    const manifests = [digest(4)];
    const annotations: Record<string, string> = { a: "1" };
    const manifest = { digest: digest(1), size: 1, mediaType: "a/b", blobs, manifests, annotations };
    await index.apply(LIBRARY, transaction([{ type: "manifestPut", manifest }]));
    blobs.push(digest(3));
    manifests.pop();
    annotations.b = "2";
    const entry = await index.manifest(LIBRARY, digest(1));
    t.deepEqual(entry?.blobs, [digest(2)]);
    t.deepEqual(entry?.manifests, [digest(4)]);
    t.deepEqual(entry?.annotations, { a: "1" });
  });

  index("a deleted manifest takes its tags along, and no others", async (t, index) => {
    const changes = [put(digest(1)), put(digest(2)), setTag("a", digest(1)), setTag("b", digest(1))];
    await index.apply(LIBRARY, transaction([...changes, setTag("c", digest(2))]));
    await index.apply(LIBRARY, transaction([{ type: "manifestDeleted", digest: digest(1) }]));
    t.is(await index.manifest(LIBRARY, digest(1)), undefined);
    t.is(await index.tag(LIBRARY, tag("a")), undefined);
    t.is(await index.tag(LIBRARY, tag("b")), undefined);
    t.is((await index.tag(LIBRARY, tag("c")))?.digest, digest(2));
  });

  index("a manifest that an index names can be deleted, and the index stays as it is", async (t, index) => {
    await index.apply(LIBRARY, transaction([put(digest(1)), put(digest(2), [], { manifests: [digest(1)] })]));
    await index.apply(LIBRARY, transaction([{ type: "manifestDeleted", digest: digest(1) }]));
    t.is(await index.manifest(LIBRARY, digest(1)), undefined);
    t.deepEqual((await index.manifest(LIBRARY, digest(2)))?.manifests, [digest(1)]);
  });

  index("a manifest may name blobs that are not linked", async (t, index) => {
    await index.apply(LIBRARY, transaction([link(digest(1)), put(digest(9), [digest(1), digest(2)])]));
    t.deepEqual((await index.manifest(LIBRARY, digest(9)))?.blobs, [digest(1), digest(2)]);
    await index.apply(LIBRARY, transaction([{ type: "manifestDeleted", digest: digest(9) }]));
    const unused = [digest(1), digest(2)].map((blob) => ({ type: "blobUnused", digest: blob }) as const);
    await t.notThrowsAsync(index.apply(LIBRARY, transaction([], unused)));
  });
}

function testTags(index: Define): void {
  index("a tag points where it was set last, until it is deleted", async (t, index) => {
    await index.apply(LIBRARY, transaction([put(digest(1)), put(digest(2)), setTag("v1", digest(1))]));
    await index.apply(LIBRARY, transaction([setTag("v1", digest(2))]));
    const entry = await index.tag(LIBRARY, tag("v1"));
    t.is(entry?.tag, tag("v1"));
    t.is(entry?.digest, digest(2));
    t.regex(entry?.updatedAt ?? "", /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    await index.apply(LIBRARY, transaction([{ type: "tagDeleted", tag: tag("v1") }]));
    t.is(await index.tag(LIBRARY, tag("v1")), undefined);
    t.not(await index.manifest(LIBRARY, digest(2)), undefined);
  });

  index("a tag set to where it is keeps its date", async (t, index) => {
    await index.apply(LIBRARY, transaction([setTag("v1", digest(1))]));
    const before = await index.tag(LIBRARY, tag("v1"));
    await new Promise((resolve) => setTimeout(resolve, 5));
    await index.apply(LIBRARY, transaction([setTag("v1", digest(1))]));
    t.deepEqual(await index.tag(LIBRARY, tag("v1")), before);
  });

  index("manifests are listed with the tags that point at them", async (t, index) => {
    await index.apply(LIBRARY, transaction([put(digest(1)), put(digest(2)), put(digest(3))]));
    const tags = [
      setTag("b", digest(1)),
      setTag("a", digest(1)),
      setTag("c", digest(2)),
      setTag("d", digest(2)),
    ];
    await index.apply(LIBRARY, transaction([...tags, setTag("d", digest(3))]));
    const { items } = await index.manifests(LIBRARY, ALL);
    t.deepEqual(
      items.map((entry) => [entry.digest, [...entry.tags].sort()]),
      [
        [digest(3), ["d"]],
        [digest(2), ["c"]],
        [digest(1), ["a", "b"]],
      ],
    );
  });
}

function testPages(index: Define): void {
  const seed = async (index: Index, count: number) => {
    const blobs = Array.from({ length: count }, (_, at) => link(digest(at)));
    await index.apply(LIBRARY, transaction(blobs));
  };
  const numbers = (items: readonly { digest: string }[]) =>
    items.map((item) => Number(`0x${item.digest.slice(-8)}`));

  index("pages together are the whole list, newest first", async (t, index) => {
    await seed(index, 10);
    const first = await index.blobs(LIBRARY, { limit: 4 });
    const second = await index.blobs(LIBRARY, { limit: 4, before: first.next });
    const third = await index.blobs(LIBRARY, { limit: 4, before: second.next });
    const all = [first, second, third].flatMap((page) => numbers(page.items));
    t.deepEqual(all, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    t.is(third.next, undefined);
  });

  index("a page that ends with the oldest entry has no next one", async (t, index) => {
    await seed(index, 4);
    const page = await index.blobs(LIBRARY, { limit: 4 });
    t.deepEqual(numbers(page.items), [3, 2, 1, 0]);
    t.false("next" in page && page.next !== undefined);
  });

  index("entries that come or go between two pages do not disturb the next one", async (t, index) => {
    await seed(index, 6);
    const first = await index.blobs(LIBRARY, { limit: 2 });
    const gone = [5, 4, 3].map((number) => ({ type: "blobUnlinked", digest: digest(number) }) as const);
    await index.apply(LIBRARY, transaction([link(digest(100)), ...gone]));
    const second = await index.blobs(LIBRARY, { limit: 2, before: first.next });
    t.deepEqual(numbers(first.items), [5, 4]);
    t.deepEqual(numbers(second.items), [2, 1]);
  });

  index("most entries can go, and the pages are those of the rest", async (t, index) => {
    await seed(index, 200);
    const gone = Array.from(
      { length: 190 },
      (_, at) => ({ type: "blobUnlinked", digest: digest(at + 5) }) as const,
    );
    await index.apply(LIBRARY, transaction(gone));
    const first = await index.blobs(LIBRARY, { limit: 6 });
    const second = await index.blobs(LIBRARY, { limit: 6, before: first.next });
    t.deepEqual(numbers(first.items), [199, 198, 197, 196, 195, 4]);
    t.deepEqual(numbers(second.items), [3, 2, 1, 0]);
  });

  index("blobs and manifests are paged apart", async (t, index) => {
    await index.apply(
      LIBRARY,
      transaction([link(digest(1)), put(digest(2)), link(digest(3)), put(digest(4))]),
    );
    t.deepEqual(numbers((await index.blobs(LIBRARY, ALL)).items), [3, 1]);
    const page = await index.manifests(LIBRARY, { limit: 1 });
    t.deepEqual(numbers(page.items), [4]);
    t.deepEqual(numbers((await index.manifests(LIBRARY, { limit: 1, before: page.next })).items), [2]);
  });
}

function testConcurrency(index: Define): void {
  index("of many who create the same tag at once, one succeeds", async (t, index) => {
    const requires = [{ type: "tagAt", tag: tag("v1"), digest: null } as const];
    const tries = Array.from({ length: 20 }, (_, at) =>
      index.apply(LIBRARY, transaction([setTag("v1", digest(at))], requires)),
    );
    const outcomes = await Promise.allSettled(tries);
    const won = outcomes.flatMap(({ status }, at) => (status === "fulfilled" ? at : []));
    t.is(won.length, 1);
    t.is((await index.tag(LIBRARY, tag("v1")))?.digest, digest(won[0] ?? -1));
  });

  index("a blob is not unlinked beside a manifest that needs it", async (t, index) => {
    for (let round = 0; round < 20; round++) {
      const [blob, manifest] = [digest(2 * round + 1), digest(2 * round + 2)];
      await index.apply(LIBRARY, transaction([link(blob)]));
      const publish = transaction([put(manifest, [blob])], [{ type: "blobsLinked", digests: [blob] }]);
      const unlink = transaction(
        [{ type: "blobUnlinked", digest: blob }],
        [{ type: "blobUnused", digest: blob }],
      );
      const both = round % 2 === 0 ? [publish, unlink] : [unlink, publish];
      await Promise.allSettled(both.map((one) => index.apply(LIBRARY, one)));
      const needed = (await index.manifest(LIBRARY, manifest)) !== undefined;
      t.is((await index.blob(LIBRARY, blob)) !== undefined, needed);
    }
  });

  index("many writers and many repositories at once lose nothing", async (t, index) => {
    const repositories = ["a", "a/b", "a/b/c", "a/c", "b"].map(parseRepositoryName);
    const jobs = Array.from({ length: 200 }, (_, at) => {
      const repository = repositories[at % repositories.length] ?? LIBRARY;
      return { repository, blob: digest(at) };
    });
    await Promise.all(jobs.map(({ repository, blob }) => index.apply(repository, transaction([link(blob)]))));
    for (const repository of repositories) {
      const { items } = await index.blobs(repository, ALL);
      t.is(items.length, 40);
      t.is(new Set(items.map((item) => item.position)).size, 40);
    }
  });
}

function testLifecycle(index: Define): void {
  index("closing waits for what is queued, and may be done twice", async (t, index) => {
    const queued = Array.from({ length: 10 }, (_, at) =>
      index.apply(LIBRARY, transaction([link(digest(at))])),
    );
    await Promise.all([index.close(), index.close()]);
    await t.notThrowsAsync(Promise.all(queued));
  });

  index("a closed index takes nothing more", async (t, index) => {
    await index.close();
    await t.throwsAsync(index.apply(LIBRARY, transaction([link(digest(1))])), { code: "UNAVAILABLE" });
    const reads = [
      index.blob(LIBRARY, digest(1)),
      index.tags(LIBRARY, ALL),
      index.referrers(LIBRARY, digest(1), ALL),
      index.exists(LIBRARY),
      index.repositories(ALL),
    ];
    for (const read of reads) await t.throwsAsync<Error>(Promise.resolve(read), { code: "UNAVAILABLE" });
  });
}
