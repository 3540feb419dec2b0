import { isDeepStrictEqual } from "node:util";
import type { Digest } from "../../src/core/digest.ts";
import type { ErrorCode } from "../../src/core/errors.ts";
import type { RepositoryName, Tag } from "../../src/core/name.ts";
import type {
  Change,
  Index,
  NewManifest,
  Page,
  Requirement,
  TagEntry,
  Transaction,
} from "../../src/index/port.ts";
import { DIGESTS, TAGS, TYPES } from "./some-transaction.ts";

/*
 * What a repository is, said as plainly as possible: arrays that are searched from end to end. It shares no
 * code with the index, so that both being wrong in the same way is unlikely.
 */

type Blob = Omit<Extract<Change, { type: "blobLinked" }>, "type"> & { unpacked?: object };
type Manifest = NewManifest & { untagged: boolean; subjectGone: boolean };

/** Everything that can be read, without positions, and of dates only whether there are any: oldest first, tags by name. */
export interface View {
  readonly exists: boolean;
  readonly blobs: readonly object[];
  readonly manifests: readonly object[];
  readonly tags: readonly { tag: Tag; digest: Digest }[];
  readonly referrers: readonly (readonly Digest[])[];
}

export class Model {
  #blobs: Blob[] = [];
  #manifests: Manifest[] = [];
  #tags: { tag: Tag; digest: Digest }[] = [];
  #exists = false;

  /** What the index must answer: nothing, or the code of the error. */
  apply({ changes, requires = [] }: Transaction): ErrorCode | undefined {
    const broken = requires
      .map((requirement) => this.#broken(requirement))
      .find((code) => code !== undefined);
    if (broken !== undefined) return broken;
    for (const change of changes) {
      const before = this.view();
      this.#change(change);
      this.#exists ||= !isDeepStrictEqual(this.view(), before);
    }
    return undefined;
  }

  view(): View {
    const tags = this.#tags.toSorted((a, b) => (a.tag < b.tag ? -1 : 1));
    const manifests = this.#manifests.map((manifest) => ({
      ...manifest,
      tags: tags.filter((entry) => entry.digest === manifest.digest).map((entry) => entry.tag),
    }));
    const referrers = REFERRERS.map(({ subject, artifactType }) =>
      this.#manifests
        .filter((manifest) => manifest.subject === subject)
        .filter((manifest) => artifactType === undefined || manifest.artifactType === artifactType)
        .map((manifest) => manifest.digest),
    );
    return structuredClone({ exists: this.#exists, blobs: this.#blobs, manifests, tags, referrers });
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
          this.#setManifests([
            ...this.#manifests,
            { ...change.manifest, untagged: false, subjectGone: false },
          ]);
        }
        return;
      case "manifestDeleted":
        this.#setTags(this.#tags.filter(({ digest }) => digest !== change.digest));
        this.#setManifests(this.#manifests.filter(({ digest }) => digest !== change.digest));
        return;
      case "tagSet":
        this.#setTags([
          ...this.#tags.filter(({ tag }) => tag !== change.tag),
          { tag: change.tag, digest: change.digest },
        ]);
        return;
      case "tagDeleted":
        this.#setTags(this.#tags.filter(({ tag }) => tag !== change.tag));
    }
  }

  #setTags(tags: { tag: Tag; digest: Digest }[]): void {
    const was = this.#tags;
    this.#tags = tags;
    for (const manifest of this.#manifests) {
      const tagged = (all: typeof tags) => all.some(({ digest }) => digest === manifest.digest);
      manifest.untagged = !tagged(tags) && (tagged(was) || manifest.untagged);
    }
  }

  #setManifests(manifests: Manifest[]): void {
    const was = this.#manifests;
    this.#manifests = manifests;
    for (const manifest of manifests) {
      const here = (all: Manifest[]) => all.some(({ digest }) => digest === manifest.subject);
      const hadIt = was.includes(manifest) && here(was);
      manifest.subjectGone = !here(manifests) && (hadIt || manifest.subjectGone);
    }
  }

  #broken(requirement: Requirement): ErrorCode | undefined {
    const linked = (wanted: Digest) => this.#blobs.some(({ digest }) => digest === wanted);
    const present = (wanted: Digest) => this.#manifests.some(({ digest }) => digest === wanted);
    const at = (wanted: Tag) => this.#tags.find(({ tag }) => tag === wanted)?.digest;
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
        return present(requirement.digest) ? undefined : "MANIFEST_UNKNOWN";
      case "manifestsPresent":
        return requirement.digests.every(present) ? undefined : "MANIFEST_BLOB_UNKNOWN";
      case "tagPresent":
        return at(requirement.tag) === undefined ? "TAG_UNKNOWN" : undefined;
      case "tagAt":
        return (at(requirement.tag) ?? null) === requirement.digest ? undefined : "PRECONDITION_FAILED";
      case "tagAmong": {
        const allowed = requirement.digests === "any" ? DIGESTS : requirement.digests;
        return allowed.some((digest) => digest === at(requirement.tag)) ? undefined : "PRECONDITION_FAILED";
      }
      case "unpromised":
        throw new Error("the model keeps no promises");
      case "manifestUnneeded": {
        const { digest } = requirement;
        const own = this.#manifests.find((manifest) => manifest.digest === digest);
        if (requirement.subjectGoneAt !== undefined) throw new Error("the model knows no times");
        const needed =
          this.#tags.some((entry) => entry.digest === digest) ||
          this.#manifests.some(({ manifests = [] }) => manifests.includes(digest)) ||
          (own?.subject !== undefined && present(own.subject));
        return needed ? "PRECONDITION_FAILED" : undefined;
      }
      case "noTagsBut": {
        const there = this.#tags.filter(({ digest }) => digest === requirement.digest);
        return there.every(({ tag }) => requirement.tags.includes(tag)) ? undefined : "PRECONDITION_FAILED";
      }
      case "tagsNotMoved":
        return requirement.tags.every((tag) => [undefined, requirement.to].includes(at(tag)))
          ? undefined
          : "DENIED";
    }
  }
}

const REFERRERS = DIGESTS.flatMap((subject) =>
  [undefined, ...TYPES].map((artifactType) => ({ subject, artifactType })),
);

/** Reads everything there is, in small pages, and asks for each entry by its key too. */
export async function viewOf(index: Index, repository: RepositoryName): Promise<View> {
  const blobs = (await readAll((before) => index.blobs(repository, { limit: 2, before }))).reverse();
  const manifests = (await readAll((before) => index.manifests(repository, { limit: 2, before }))).reverse();
  const tags = await readAll<TagEntry, string>((after) => index.tags(repository, { limit: 2, after }));
  const referrers = REFERRERS.map(({ subject, artifactType }) =>
    readAll((after) => index.referrers(repository, subject, { limit: 2, after, artifactType })),
  );
  const foundBlobs = await Promise.all(DIGESTS.map((key) => index.blob(repository, key)));
  assertSame(blobs, foundBlobs, (blob) => blob.digest);
  const foundTags = await Promise.all(TAGS.map((name) => index.tag(repository, name)));
  assertSame(tags, foundTags, (entry) => entry.tag + entry.digest);
  return {
    exists: await existsIn(index, repository),
    blobs: blobs.map(({ position, createdAt, ...blob }) => blob),
    manifests: manifests.map(({ position, createdAt, untaggedAt, subjectGoneAt, tags, ...entry }) => ({
      ...entry,
      untagged: untaggedAt !== undefined,
      subjectGone: subjectGoneAt !== undefined,
      tags: [...tags].sort(),
    })),
    tags: tags.map((entry) => ({ tag: entry.tag, digest: entry.digest })),
    referrers: (await Promise.all(referrers)).map((entries) => entries.map(({ digest }) => digest)),
  };
}

async function existsIn(index: Index, repository: RepositoryName): Promise<boolean> {
  const exists = await index.exists(repository);
  const { items } = await index.repositories({ limit: 10 });
  if (items.includes(repository) !== exists) throw new Error(`${exists}, but listed are ${items}`);
  return exists;
}

function assertSame<T>(listed: readonly T[], found: readonly (T | undefined)[], keyOf: (item: T) => string) {
  const expected = found.flatMap((item) => (item === undefined ? [] : keyOf(item))).sort();
  if (!isDeepStrictEqual(listed.map(keyOf).sort(), expected)) throw new Error("list and entries differ");
}

async function readAll<T, C = number>(page: (cursor: C | undefined) => Promise<Page<T, C>>): Promise<T[]> {
  const all: T[] = [];
  for (let cursor: C | undefined; ; ) {
    const { items, next } = await page(cursor);
    all.push(...items);
    if (next === undefined) return all;
    cursor = next;
  }
}
