import { parseRepositoryName } from "../../src/core/name.ts";
import type { Index, Naming, ReferrersRequest } from "../../src/index/port.ts";
import { digest, LIBRARY, link, put, setTag, tag, transaction } from "../index/samples.ts";
import type { Define } from "./index.ts";

/** Lists that are read from the start on, a page after the other. */

const ALL = { limit: 1000 };

export function testNaming(index: Define): void {
  const named = async (index: Index, target: number, as: Naming, limit = 10) => {
    const { items, total } = await index.namedBy(LIBRARY, digest(target), as, limit);
    return [...items, total];
  };

  index("manifests that name a digest are found by how they name it, oldest first", async (t, index) => {
    await index.apply(LIBRARY, transaction([put(digest(12), [digest(1), digest(1), digest(2)])]));
    await index.apply(LIBRARY, transaction([put(digest(11), [digest(1)], { manifests: [digest(12)] })]));
    await index.apply(LIBRARY, transaction([put(digest(10), [digest(1)], { subject: digest(12) })]));
    t.deepEqual(await named(index, 1, "blob"), [digest(12), digest(11), digest(10), 3]);
    t.deepEqual(await named(index, 1, "blob", 2), [digest(12), digest(11), 3]);
    t.deepEqual(await named(index, 12, "manifest"), [digest(11), 1]);
    t.deepEqual(await named(index, 12, "subject"), [digest(10), 1]);
    t.deepEqual(await named(index, 2, "manifest"), [0]);
  });

  index("a manifest that is deleted names nothing any more", async (t, index) => {
    const about = { manifests: [digest(2)], subject: digest(3) };
    await index.apply(LIBRARY, transaction([put(digest(10), [digest(1)], about)]));
    await index.apply(LIBRARY, transaction([{ type: "manifestDeleted", digest: digest(10) }]));
    t.deepEqual(await named(index, 1, "blob"), [0]);
    t.deepEqual(await named(index, 2, "manifest"), [0]);
    t.deepEqual(await named(index, 3, "subject"), [0]);
  });
}

export function testTagPages(index: Define): void {
  const names = async (index: Index, limit: number, after?: string) => {
    const { items, next } = await index.tags(LIBRARY, { limit, after });
    return { names: items.map((entry) => entry.tag as string), next };
  };
  const seed = (index: Index, tags: readonly string[]) =>
    index.apply(LIBRARY, transaction(tags.map((text) => setTag(text, digest(1)))));

  index("tags are listed in ASCIIbetical order, with where they point and since when", async (t, index) => {
    const tags = ["a", "b", "B", "a-b", "a.b", "a_b", "aa", "_", "0", "10", "9"];
    await seed(index, tags);
    const { items } = await index.tags(LIBRARY, ALL);
    t.deepEqual(
      items.map((entry) => entry.tag as string),
      ["0", "10", "9", "B", "_", "a", "a-b", "a.b", "a_b", "aa", "b"],
    );
    for (const entry of items) t.deepEqual(await index.tag(LIBRARY, entry.tag), entry);
  });

  index("pages of tags together are the whole list", async (t, index) => {
    await seed(index, ["c", "a", "e", "b", "d"]);
    t.deepEqual(await names(index, 2), { names: ["a", "b"], next: tag("b") });
    t.deepEqual(await names(index, 2, "b"), { names: ["c", "d"], next: tag("d") });
    t.deepEqual(await names(index, 2, "d"), { names: ["e"], next: undefined });
    t.deepEqual(await names(index, 5), { names: ["a", "b", "c", "d", "e"], next: undefined });
  });

  index("a page of tags goes on after any text", async (t, index) => {
    await seed(index, ["a", "c"]);
    t.deepEqual((await names(index, 9, "")).names, ["a", "c"]);
    t.deepEqual((await names(index, 9, "b")).names, ["c"]);
    t.deepEqual((await names(index, 9, "/ not a tag")).names, ["a", "c"]);
    t.deepEqual((await names(index, 9, "ä")).names, []);
  });

  index("tags that come, move and go are listed where they belong", async (t, index) => {
    await seed(index, ["a", "c"]);
    await names(index, 9);
    await seed(index, ["b", "d"]);
    await index.apply(LIBRARY, transaction([setTag("a", digest(2)), { type: "tagDeleted", tag: tag("c") }]));
    const { items } = await index.tags(LIBRARY, ALL);
    t.deepEqual(
      items.map((entry) => [entry.tag, entry.digest]),
      [
        [tag("a"), digest(2)],
        [tag("b"), digest(1)],
        [tag("d"), digest(1)],
      ],
    );
    await index.apply(LIBRARY, transaction([put(digest(1)), { type: "manifestDeleted", digest: digest(1) }]));
    t.deepEqual((await names(index, 9)).names, ["a"]);
  });
}

export function testReferrers(index: Define): void {
  const [subject, signature, sbom] = [digest(100), "a/signature", "a/sbom"];
  const refer = (number: number, artifactType: string, to = subject) =>
    put(digest(number), [], { artifactType, subject: to });
  const referrers = async (index: Index, page: ReferrersRequest) => {
    const { items, next } = await index.referrers(LIBRARY, subject, page);
    return { numbers: items.map((item) => Number(`0x${item.digest.slice(-8)}`)), next };
  };

  index("manifests that name a subject are its referrers, oldest first", async (t, index) => {
    const others = [put(digest(7)), refer(8, sbom, digest(101))];
    await index.apply(LIBRARY, transaction([refer(3, sbom), ...others, refer(1, signature), refer(2, sbom)]));
    t.deepEqual((await referrers(index, ALL)).numbers, [3, 1, 2]);
    const { items } = await index.referrers(LIBRARY, subject, ALL);
    for (const entry of items) t.deepEqual(await index.manifest(LIBRARY, entry.digest), entry);
  });

  index("referrers stay when their subject comes and goes", async (t, index) => {
    await index.apply(LIBRARY, transaction([refer(1, sbom)]));
    await index.apply(LIBRARY, transaction([put(subject)]));
    t.deepEqual((await referrers(index, ALL)).numbers, [1]);
    await index.apply(LIBRARY, transaction([{ type: "manifestDeleted", digest: subject }]));
    t.deepEqual((await referrers(index, ALL)).numbers, [1]);
  });

  index("a deleted referrer is gone, and comes back as the newest", async (t, index) => {
    await index.apply(LIBRARY, transaction([refer(1, sbom), refer(2, sbom), refer(3, sbom)]));
    await index.apply(LIBRARY, transaction([{ type: "manifestDeleted", digest: digest(1) }]));
    t.deepEqual((await referrers(index, ALL)).numbers, [2, 3]);
    await index.apply(LIBRARY, transaction([refer(1, sbom)]));
    t.deepEqual((await referrers(index, ALL)).numbers, [2, 3, 1]);
  });

  index("pages of referrers together are the whole list, of one type too", async (t, index) => {
    const changes = [1, 2, 3, 4, 5, 6].map((number) => refer(number, number % 2 === 0 ? sbom : signature));
    await index.apply(LIBRARY, transaction(changes));
    const first = await referrers(index, { limit: 4 });
    const second = await referrers(index, { limit: 4, after: first.next });
    t.deepEqual([...first.numbers, ...second.numbers], [1, 2, 3, 4, 5, 6]);
    t.is(second.next, undefined);
    const even = await referrers(index, { limit: 2, artifactType: sbom });
    const last = await referrers(index, { limit: 2, after: even.next, artifactType: sbom });
    t.deepEqual([even.numbers, last], [[2, 4], { numbers: [6], next: undefined }]);
    t.deepEqual((await referrers(index, { limit: 2, artifactType: "a/b" })).numbers, []);
  });

  index("referrers that come or go between two pages do not disturb the next one", async (t, index) => {
    await index.apply(LIBRARY, transaction([1, 2, 3, 4].map((number) => refer(number, sbom))));
    const first = await referrers(index, { limit: 2 });
    const gone = [2, 3].map((number) => ({ type: "manifestDeleted", digest: digest(number) }) as const);
    await index.apply(LIBRARY, transaction([...gone, refer(5, sbom)]));
    t.deepEqual((await referrers(index, { limit: 2, after: first.next })).numbers, [4, 5]);
  });

  index("referrers are those of one repository", async (t, index) => {
    await index.apply(parseRepositoryName("other"), transaction([refer(1, sbom)]));
    t.deepEqual((await referrers(index, ALL)).numbers, []);
  });
}

export function testCatalog(index: Define): void {
  const seed = async (index: Index, names: readonly string[]) => {
    for (const name of names) await index.apply(parseRepositoryName(name), transaction([link(digest(1))]));
  };
  const names = async (index: Index, limit: number, after?: string) => {
    const { items, next } = await index.repositories({ limit, after });
    return { names: items as readonly string[], next: next as string | undefined };
  };

  index("repositories are listed in the ASCIIbetical order of their whole names", async (t, index) => {
    await seed(index, ["b", "ab/c", "a/c", "a0", "a", "a/c/d/e", "a-b", "a-b/c", "a.b", "a/c-d", "a_b"]);
    const sorted = ["a", "a-b", "a-b/c", "a.b", "a/c", "a/c-d", "a/c/d/e", "a0", "a_b", "ab/c", "b"];
    t.deepEqual(await names(index, 100), { names: sorted, next: undefined });
    for (const [at, name] of sorted.entries())
      t.deepEqual((await names(index, 2, name)).names, sorted.slice(at + 1, at + 3));
  });

  index("pages of repositories together are the whole list, from any text on", async (t, index) => {
    await seed(index, ["a/x", "a/z", "b"]);
    t.deepEqual(await names(index, 2), { names: ["a/x", "a/z"], next: "a/z" });
    t.deepEqual(await names(index, 2, "a/z"), { names: ["b"], next: undefined });
    t.deepEqual((await names(index, 9, "a")).names, ["a/x", "a/z", "b"]);
    t.deepEqual((await names(index, 9, "a/")).names, ["a/x", "a/z", "b"]);
    t.deepEqual((await names(index, 9, "a/y")).names, ["a/z", "b"]);
    t.deepEqual((await names(index, 9, "../../a")).names, ["a/x", "a/z", "b"]);
    t.deepEqual((await names(index, 9, "~")).names, []);
  });

  index(
    "a repository exists from its first change on, and so do none of those around it",
    async (t, index) => {
      await seed(index, ["a/b/c"]);
      const others = ["a", "a/b", "a/b/c/d", "c"].map(parseRepositoryName);
      for (const other of others) t.false(await index.exists(other), other);
      t.true(await index.exists(parseRepositoryName("a/b/c")));
      t.deepEqual((await names(index, 9)).names, ["a/b/c"]);
    },
  );

  index("what is refused, or changes nothing, makes no repository", async (t, index) => {
    const refused = transaction([link(digest(1))], [{ type: "blobLinked", digest: digest(2) }]);
    await t.throwsAsync(index.apply(LIBRARY, refused));
    await index.apply(LIBRARY, transaction([{ type: "tagDeleted", tag: tag("v1") }]));
    await index.blob(LIBRARY, digest(1));
    t.false(await index.exists(LIBRARY));
    t.deepEqual((await names(index, 9)).names, []);
  });

  index("a repository from which everything was taken still exists", async (t, index) => {
    await seed(index, [LIBRARY]);
    await index.apply(LIBRARY, transaction([{ type: "blobUnlinked", digest: digest(1) }]));
    t.true(await index.exists(LIBRARY));
    const brief = transaction([link(digest(1)), { type: "blobUnlinked", digest: digest(1) }]);
    await index.apply(parseRepositoryName("brief"), brief);
    t.deepEqual((await names(index, 9)).names, ["brief", LIBRARY]);
  });
}
