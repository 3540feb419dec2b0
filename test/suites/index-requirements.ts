import { isLayerdError } from "../../src/core/errors.ts";
import { digest, LIBRARY, link, put, setTag, tag, transaction } from "../index/samples.ts";
import type { Define } from "./index.ts";

/** Of blobs and manifests. */
export function testRequirements(index: Define): void {
  index("a requirement that does not hold leaves everything as it was", async (t, index) => {
    const requires = [{ type: "blobLinked", digest: digest(2) } as const];
    await t.throwsAsync(index.apply(LIBRARY, transaction([link(digest(1))], requires)), {
      code: "BLOB_UNKNOWN",
    });
    t.is(await index.blob(LIBRARY, digest(1)), undefined);
    await index.apply(LIBRARY, transaction([link(digest(2))]));
    await index.apply(LIBRARY, transaction([link(digest(1))], requires));
    t.not(await index.blob(LIBRARY, digest(1)), undefined);
  });

  index("every blob that is missing is named, once", async (t, index) => {
    await index.apply(LIBRARY, transaction([link(digest(1))]));
    const digests = [digest(1), digest(2), digest(3), digest(2)];
    const changes = [put(digest(9), digests)];
    const error = await t.throwsAsync(
      index.apply(LIBRARY, transaction(changes, [{ type: "blobsLinked", digests }])),
    );
    t.true(isLayerdError(error, "MANIFEST_BLOB_UNKNOWN"));
    t.like(error, { detail: { missing: [digest(2), digest(3)] } });
    t.is(await index.manifest(LIBRARY, digest(9)), undefined);
  });

  index("a blob is in use as long as one manifest needs it", async (t, index) => {
    const blob = digest(1);
    // Twice in one manifest is one use.
    await index.apply(
      LIBRARY,
      transaction([link(blob), put(digest(2), [blob, blob]), put(digest(3), [blob])]),
    );
    const unlink = () =>
      index.apply(
        LIBRARY,
        transaction([{ type: "blobUnlinked", digest: blob }], [{ type: "blobUnused", digest: blob }]),
      );
    const error = await t.throwsAsync(unlink);
    t.true(isLayerdError(error, "BLOB_IN_USE"));
    const { manifests } = (error as { detail?: unknown }).detail as { manifests: string[] };
    t.deepEqual(manifests.sort(), [digest(2), digest(3)]);
    await index.apply(LIBRARY, transaction([{ type: "manifestDeleted", digest: digest(2) }]));
    await t.throwsAsync(unlink, { code: "BLOB_IN_USE" });
    await index.apply(LIBRARY, transaction([{ type: "manifestDeleted", digest: digest(3) }]));
    await unlink();
    t.is(await index.blob(LIBRARY, blob), undefined);
  });

  index("at most ten manifests are named as users of a blob", async (t, index) => {
    const manifests = Array.from({ length: 30 }, (_, at) => put(digest(100 + at), [digest(1)]));
    await index.apply(LIBRARY, transaction(manifests));
    const error = await t.throwsAsync(
      index.apply(LIBRARY, transaction([], [{ type: "blobUnused", digest: digest(1) }])),
    );
    const detail = (error as { detail?: unknown }).detail as { manifests: string[] };
    t.is(new Set(detail.manifests).size, 10);
  });

  index("a manifest can be required to be there", async (t, index) => {
    const requires = [{ type: "manifestPresent", digest: digest(1) } as const];
    await t.throwsAsync(index.apply(LIBRARY, transaction([setTag("v1", digest(1))], requires)), {
      code: "MANIFEST_UNKNOWN",
    });
    await index.apply(LIBRARY, transaction([put(digest(1))]));
    await index.apply(LIBRARY, transaction([setTag("v1", digest(1))], requires));
    t.is((await index.tag(LIBRARY, tag("v1")))?.digest, digest(1));
  });

  index("every manifest that is missing is named, once", async (t, index) => {
    await index.apply(LIBRARY, transaction([put(digest(1))]));
    const digests = [digest(1), digest(2), digest(3), digest(2)];
    const changes = [put(digest(9), [], { manifests: digests })];
    const requires = [{ type: "manifestsPresent", digests } as const];
    const error = await t.throwsAsync(index.apply(LIBRARY, transaction(changes, requires)));
    t.true(isLayerdError(error, "MANIFEST_BLOB_UNKNOWN"));
    t.like(error, { detail: { missing: [digest(2), digest(3)] } });
    t.is(await index.manifest(LIBRARY, digest(9)), undefined);
    await index.apply(LIBRARY, transaction([put(digest(2)), put(digest(3))]));
    await index.apply(LIBRARY, transaction(changes, requires));
    t.deepEqual((await index.manifest(LIBRARY, digest(9)))?.manifests, digests);
  });
}

/** Of tags: what conditional writes, deletions and immutable tags need. */
export function testTagRequirements(index: Define): void {
  index("a tag moves only from where it is required to be", async (t, index) => {
    const at = (is: number | null) =>
      ({ type: "tagAt", tag: tag("v1"), digest: is === null ? null : digest(is) }) as const;
    const first = await t.throwsAsync(index.apply(LIBRARY, transaction([setTag("v1", digest(1))], [at(1)])));
    t.true(isLayerdError(first, "PRECONDITION_FAILED"));
    t.like(first, { detail: { tag: "v1", is: null } });
    await index.apply(LIBRARY, transaction([setTag("v1", digest(1))], [at(null)]));
    const second = await t.throwsAsync(
      index.apply(LIBRARY, transaction([setTag("v1", digest(2))], [at(null)])),
    );
    t.like(second, { detail: { tag: "v1", is: digest(1) } });
    await index.apply(LIBRARY, transaction([setTag("v1", digest(2))], [at(1)]));
    t.is((await index.tag(LIBRARY, tag("v1")))?.digest, digest(2));
  });

  index("a tag moves only from one of the places where it may be", async (t, index) => {
    const among = (digests: readonly number[] | "any") => {
      const list = digests === "any" ? digests : digests.map(digest);
      return { type: "tagAmong", tag: tag("v1"), digests: list } as const;
    };
    const move = (to: number, from: readonly number[] | "any") =>
      index.apply(LIBRARY, transaction([setTag("v1", digest(to))], [among(from)]));
    for (const from of [[], [1, 2], "any"] as const) {
      const error = await t.throwsAsync(move(1, from), { code: "PRECONDITION_FAILED" });
      t.like(error, { detail: { tag: "v1", is: null } });
    }
    await index.apply(LIBRARY, transaction([setTag("v1", digest(1))]));
    const error = await t.throwsAsync(move(3, [2, 3]), { code: "PRECONDITION_FAILED" });
    t.like(error, { detail: { tag: "v1", is: digest(1) } });
    await move(2, [3, 1]);
    await move(3, "any");
    t.is((await index.tag(LIBRARY, tag("v1")))?.digest, digest(3));
  });

  index("tags that must not move can be made, and set again to where they are", async (t, index) => {
    const tags = [tag("v1"), tag("v2")];
    const set = (to: number) =>
      index.apply(
        LIBRARY,
        transaction(
          tags.map((one) => setTag(one, digest(to))),
          [{ type: "tagsNotMoved", tags, to: digest(to) }],
        ),
      );
    await index.apply(LIBRARY, transaction([setTag("v2", digest(1))]));
    await set(1);
    await set(1);
    const error = await t.throwsAsync(set(2), { code: "DENIED", message: /v1 is immutable/ });
    t.like(error, { detail: { tag: "v1", is: digest(1) } });
    t.is((await index.tag(LIBRARY, tag("v1")))?.digest, digest(1));
  });

  index("a manifest's tags are known, and can be required to be no others", async (t, index) => {
    await index.apply(
      LIBRARY,
      transaction([setTag("v2", digest(1)), setTag("v1", digest(1)), setTag("v3", digest(2))]),
    );
    const tags = await index.tagsOf(LIBRARY, digest(1));
    t.deepEqual(tags, [tag("v1"), tag("v2")]);
    const remove = (known: typeof tags) =>
      index.apply(
        LIBRARY,
        transaction(
          [{ type: "manifestDeleted", digest: digest(1) }],
          [{ type: "noTagsBut", digest: digest(1), tags: known }],
        ),
      );
    const error = await t.throwsAsync(remove([tag("v1")]), { code: "PRECONDITION_FAILED" });
    t.like(error, { detail: { digest: digest(1), tag: "v2" } });
    await remove(tags);
    t.deepEqual(await index.tagsOf(LIBRARY, digest(1)), []);
  });

  index("a tag can be required to be there", async (t, index) => {
    const remove = transaction(
      [{ type: "tagDeleted", tag: tag("v1") }],
      [{ type: "tagPresent", tag: tag("v1") }],
    );
    const error = await t.throwsAsync(index.apply(LIBRARY, remove), { code: "TAG_UNKNOWN" });
    t.like(error, { detail: { tag: "v1" } });
    await index.apply(LIBRARY, transaction([setTag("v1", digest(1))]));
    await index.apply(LIBRARY, remove);
    t.is(await index.tag(LIBRARY, tag("v1")), undefined);
  });
}
