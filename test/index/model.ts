import fc from "fast-check";
import type { Digest } from "../../src/core/digest.ts";
import type { ErrorCode } from "../../src/core/errors.ts";
import type { RepositoryName, Tag } from "../../src/core/name.ts";
import type { Change, Index, Page, Requirement, Transaction } from "../../src/index/port.ts";
import { digest, tag } from "./samples.ts";

/*
 * What a repository is, said as plainly as possible: arrays that are searched from end to end. It shares no
 * code with the index, so that both being wrong in the same way is unlikely.
 */

type Blob = Omit<Extract<Change, { type: "blobLinked" }>, "type"> & { unpacked?: object };
type Manifest = Extract<Change, { type: "manifestPut" }>["manifest"];

/** Everything that can be read, oldest first, without dates and positions. */
export interface View {
  readonly blobs: readonly object[];
  readonly manifests: readonly object[];
  readonly tags: readonly { tag: Tag; digest: Digest }[];
}

export class Model {
  #blobs: Blob[] = [];
  #manifests: Manifest[] = [];
  #tags: { tag: Tag; digest: Digest }[] = [];

  /** What the index must answer: nothing, or the code of the error. */
  apply({ changes, requires = [] }: Transaction): ErrorCode | undefined {
    const broken = requires
      .map((requirement) => this.#broken(requirement))
      .find((code) => code !== undefined);
    if (broken === undefined) for (const change of changes) this.#change(change);
    return broken;
  }

  view(): View {
    const tags = this.#tags.toSorted((a, b) => (a.tag < b.tag ? -1 : 1));
    const manifests = this.#manifests.map((manifest) => ({
      ...manifest,
      tags: tags.filter((entry) => entry.digest === manifest.digest).map((entry) => entry.tag),
    }));
    return structuredClone({ blobs: this.#blobs, manifests, tags });
  }

  #change(change: Change): void {
    switch (change.type) {
      case "blobLinked": {
        const { type: _, ...said } = change;
        const blob = this.#blobs.find(({ digest }) => digest === change.digest);
        if (blob === undefined) this.#blobs.push({ ...said });
        else
          this.#blobs[this.#blobs.indexOf(blob)] = {
            ...said,
            ...(blob.unpacked && { unpacked: blob.unpacked }),
          };
        return;
      }
      case "blobUnlinked":
        this.#blobs = this.#blobs.filter(({ digest }) => digest !== change.digest);
        return;
      case "blobUnpacked":
        for (const blob of this.#blobs) if (blob.digest === change.digest) blob.unpacked = change.unpacked;
        return;
      case "manifestPut":
        if (this.#manifests.every(({ digest }) => digest !== change.manifest.digest)) {
          this.#manifests.push(change.manifest);
        }
        return;
      case "manifestDeleted":
        this.#manifests = this.#manifests.filter(({ digest }) => digest !== change.digest);
        this.#tags = this.#tags.filter(({ digest }) => digest !== change.digest);
        return;
      case "tagSet":
        this.#tags = [
          ...this.#tags.filter(({ tag }) => tag !== change.tag),
          { tag: change.tag, digest: change.digest },
        ];
        return;
      case "tagDeleted":
        this.#tags = this.#tags.filter(({ tag }) => tag !== change.tag);
    }
  }

  #broken(requirement: Requirement): ErrorCode | undefined {
    const linked = (wanted: Digest) => this.#blobs.some(({ digest }) => digest === wanted);
    switch (requirement.type) {
      case "blobsLinked":
        return requirement.digests.every(linked) ? undefined : "MANIFEST_BLOB_UNKNOWN";
      case "blobLinked":
        return linked(requirement.digest) ? undefined : "BLOB_UNKNOWN";
      case "blobUnused":
        return this.#manifests.some(({ blobs }) => blobs.includes(requirement.digest))
          ? "BLOB_IN_USE"
          : undefined;
      case "manifestPresent":
        return this.#manifests.some(({ digest }) => digest === requirement.digest)
          ? undefined
          : "MANIFEST_UNKNOWN";
      case "tagAt": {
        const at = this.#tags.find(({ tag }) => tag === requirement.tag)?.digest ?? null;
        return at === requirement.digest ? undefined : "PRECONDITION_FAILED";
      }
    }
  }
}

const DIGESTS = Array.from({ length: 6 }, (_, at) => digest(at));
const TAGS = ["a", "b", "c", "d"].map(tag);

/** Reads everything there is, in small pages, and asks for each entry by its key too. */
export async function viewOf(index: Index, repository: RepositoryName): Promise<View> {
  const blobs = await readAll((before) => index.blobs(repository, { limit: 2, before }));
  const manifests = await readAll((before) => index.manifests(repository, { limit: 2, before }));
  const tags = await Promise.all(TAGS.map((name) => index.tag(repository, name)));
  const found = await Promise.all(DIGESTS.map((key) => index.blob(repository, key)));
  const listed = blobs.map((blob) => blob.digest).sort();
  if (listed.join() !== found.flatMap((blob) => blob?.digest ?? []).join())
    throw new Error("list and entries differ");
  return {
    blobs: blobs.map(({ position, createdAt, ...blob }) => blob),
    manifests: manifests.map(({ position, createdAt, tags, ...entry }) => ({
      ...entry,
      tags: [...tags].sort(),
    })),
    tags: tags.flatMap((entry) => (entry === undefined ? [] : { tag: entry.tag, digest: entry.digest })),
  };
}

async function readAll<T>(page: (before: number | undefined) => Promise<Page<T>>): Promise<T[]> {
  const all: T[] = [];
  for (let before: number | undefined; ; ) {
    const { items, next } = await page(before);
    all.push(...items);
    if (next === undefined) return all.reverse();
    before = next;
  }
}

const someDigest = fc.constantFrom(...DIGESTS);
const someTag = fc.constantFrom(...TAGS);

const someChange: fc.Arbitrary<Change> = fc.oneof(
  fc.record(
    {
      type: fc.constant("blobLinked" as const),
      digest: someDigest,
      size: fc.constantFrom(1, 5_000_000_000),
      mediaType: fc.constantFrom("a/b", "c/d"),
      name: fc.constantFrom("plain.tar", 'ä "\n\u2028'),
    },
    { requiredKeys: ["type", "digest", "size", "mediaType"] },
  ),
  fc.record({ type: fc.constant("blobUnlinked" as const), digest: someDigest }),
  fc.record({
    type: fc.constant("blobUnpacked" as const),
    digest: someDigest,
    unpacked: fc.record({ diffId: someDigest, size: fc.nat(9) }),
  }),
  fc.record({
    type: fc.constant("manifestPut" as const),
    manifest: fc.record(
      {
        digest: someDigest,
        size: fc.nat(9),
        mediaType: fc.constant("m/n"),
        artifactType: fc.constant("o/p"),
        blobs: fc.array(someDigest, { maxLength: 3 }),
        subject: someDigest,
        annotations: fc.dictionary(fc.constantFrom("k", "l"), fc.string(), { noNullPrototype: true }),
      },
      { requiredKeys: ["digest", "size", "mediaType", "blobs"] },
    ),
  }),
  fc.record({ type: fc.constant("manifestDeleted" as const), digest: someDigest }),
  fc.record({ type: fc.constant("tagSet" as const), tag: someTag, digest: someDigest }),
  fc.record({ type: fc.constant("tagDeleted" as const), tag: someTag }),
);

const someRequirement: fc.Arbitrary<Requirement> = fc.oneof(
  fc.record({ type: fc.constant("blobsLinked" as const), digests: fc.array(someDigest, { maxLength: 2 }) }),
  fc.record({ type: fc.constant("blobLinked" as const), digest: someDigest }),
  fc.record({ type: fc.constant("blobUnused" as const), digest: someDigest }),
  fc.record({ type: fc.constant("manifestPresent" as const), digest: someDigest }),
  fc.record({ type: fc.constant("tagAt" as const), tag: someTag, digest: fc.option(someDigest) }),
);

/** Any transaction over six digests and four tags: small enough for everything to meet everything. */
export const someTransaction: fc.Arbitrary<Transaction> = fc.record({
  who: fc.constantFrom("ann", "bob"),
  changes: fc.array(someChange, { minLength: 0, maxLength: 4 }),
  requires: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(someRequirement, { maxLength: 2 }) },
  ),
});
