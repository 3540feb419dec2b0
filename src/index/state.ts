import type { Digest } from "../core/digest.ts";
import type { Tag } from "../core/name.ts";
import { Entries } from "./entries.ts";
import { Multimap } from "./multimap.ts";
import { pageOf } from "./page.ts";
import type {
  BlobEntry,
  ManifestEntry,
  Naming,
  Page,
  PageRequest,
  ReferrersRequest,
  Some,
  TagEntry,
} from "./port.ts";
import { Tags } from "./tags.ts";

// Far more media types than there are in use; a client that invents them must not fill the memory.
const SHARED_TEXTS = 256;

/** While it is being made. */
type Writable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * What is known of one repository, in memory. Entries are never modified, only replaced: whoever holds one,
 * or an array of them, holds what was true then. Only `fold.ts` and `snapshot.ts` change a state.
 *
 * The same digests come in again and again, each time as a new string of 71 characters; what points at an
 * entry keeps the string that the entry has.
 */
export class RepositoryState {
  /** The number of the last line that was folded in. */
  seq = 0;
  /** The last place in the listing order that was given away. */
  position = 0;
  readonly blobs = new Entries<BlobEntry>();
  readonly manifests = new Entries<ManifestEntry>();
  readonly tags = new Tags();
  /** From a blob, linked or not, to the manifests that need it. */
  readonly users = new Multimap<Digest, Digest>();
  /** From a manifest, here or not, to the indexes that list it. */
  readonly #parents = new Multimap<Digest, Digest>();
  /** From a subject, here or not, to the manifests that name it, oldest first as manifests are added. */
  readonly #referrers = new Multimap<Digest, Digest>();
  readonly #texts = new Map<string, string>();

  /** How many entries it holds; its memory grows with them. */
  get size(): number {
    return this.blobs.size + this.manifests.size + this.tags.size;
  }

  putBlob({ name, unpacked, ...entry }: BlobEntry): void {
    const { position, digest, size, createdAt } = entry;
    const mediaType = this.#shared(entry.mediaType);
    const kept: Writable<BlobEntry> = { position, digest, size, mediaType, createdAt };
    if (name !== undefined) kept.name = name;
    if (unpacked !== undefined) kept.unpacked = { diffId: unpacked.diffId, size: unpacked.size };
    this.blobs.put(kept);
  }

  putManifest(entry: ManifestEntry): void {
    const { digest, artifactType, manifests, subject, annotations } = entry;
    const kept = smallest(entry);
    kept.mediaType = this.#shared(entry.mediaType);
    kept.blobs = entry.blobs.map((blob) => this.blobs.get(blob)?.digest ?? blob);
    if (artifactType !== undefined) kept.artifactType = this.#shared(artifactType);
    if (manifests !== undefined) kept.manifests = manifests.map((child) => this.#manifest(child));
    if (subject !== undefined) kept.subject = this.#manifest(subject);
    if (annotations !== undefined) kept.annotations = { ...annotations };
    for (const blob of kept.blobs) this.users.add(blob, digest);
    for (const child of kept.manifests ?? []) this.#parents.add(child, digest);
    if (kept.subject !== undefined) this.#referrers.add(kept.subject, digest);
    this.manifests.put(kept);
  }

  deleteManifest(digest: Digest): void {
    const entry = this.manifests.get(digest);
    for (const blob of entry?.blobs ?? []) this.users.delete(blob, digest);
    for (const child of entry?.manifests ?? []) this.#parents.delete(child, digest);
    if (entry?.subject !== undefined) this.#referrers.delete(entry.subject, digest);
    this.manifests.delete(digest);
  }

  putTag({ tag, digest, updatedAt }: TagEntry): void {
    this.tags.put({ tag, digest: this.#manifest(digest), updatedAt });
  }

  /** Notes since when a manifest has had no tag, if it is here; `undefined` when it has one. */
  noteUntagged(digest: Digest, untaggedAt: string | undefined): void {
    const entry = this.manifests.get(digest);
    if (entry === undefined || entry.untaggedAt === untaggedAt) return;
    this.manifests.put(smallest({ ...entry, untaggedAt }));
  }

  /** Notes of the manifests that refer to a subject since when that is gone; `undefined` when it is here. */
  noteSubjectGone(subject: Digest, subjectGoneAt: string | undefined): void {
    // Of most manifests there are none.
    if (this.#referrers.count(subject) === 0) return;
    for (const entry of this.#referrersOf(subject)) {
      if (entry.subjectGoneAt !== subjectGoneAt) this.manifests.put(smallest({ ...entry, subjectGoneAt }));
    }
  }

  manifestsWithTags(page: PageRequest): Page<ManifestEntry & { readonly tags: readonly Tag[] }> {
    const { items, ...rest } = this.manifests.page(page);
    return { items: items.map((entry) => ({ ...entry, tags: this.sortedTags(entry.digest) })), ...rest };
  }

  referrers(subject: Digest, { limit, after = 0, artifactType }: ReferrersRequest): Page<ManifestEntry> {
    const wanted = (entry: ManifestEntry) =>
      entry.position > after && (artifactType === undefined || entry.artifactType === artifactType);
    return pageOf(this.#referrersOf(subject).filter(wanted), limit, (entry) => entry.position);
  }

  *#referrersOf(subject: Digest): Generator<ManifestEntry, undefined> {
    for (const digest of this.#referrers.of(subject)) {
      const entry = this.manifests.get(digest);
      if (entry !== undefined) yield entry;
    }
  }

  namedBy(digest: Digest, as: Naming, limit: number): Some<Digest> {
    const naming = { blob: this.users, manifest: this.#parents, subject: this.#referrers }[as];
    return { items: naming.first(digest, limit), total: naming.count(digest) };
  }

  /** Whether a tag, an index that lists it or a subject that it refers to keeps a manifest. */
  isNeeded(digest: Digest): boolean {
    const subject = this.manifests.get(digest)?.subject;
    if (subject !== undefined && this.manifests.get(subject) !== undefined) return true;
    return this.tags.count(digest) > 0 || this.#parents.count(digest) > 0;
  }

  unusedBlobs(page: PageRequest): Page<BlobEntry> {
    const { items, ...rest } = this.blobs.page(page);
    return { items: items.filter(({ digest }) => this.users.first(digest, 1).length === 0), ...rest };
  }

  sortedTags(digest: Digest): Tag[] {
    return this.tags.of(digest).sort();
  }

  #manifest(digest: Digest): Digest {
    return this.manifests.get(digest)?.digest ?? digest;
  }

  #shared(text: string): string {
    const shared = this.#texts.get(text);
    if (shared === undefined && this.#texts.size < SHARED_TEXTS) this.#texts.set(text, text);
    return shared ?? text;
  }
}

/** A copy that has no more members than it needs: adding what is optional one by one keeps most as small as can be. */
function smallest(entry: ManifestEntry): Writable<ManifestEntry> {
  const { position, digest, size, mediaType, blobs, createdAt } = entry;
  const kept: Writable<ManifestEntry> = { position, digest, size, mediaType, blobs, createdAt };
  if (entry.artifactType !== undefined) kept.artifactType = entry.artifactType;
  if (entry.manifests !== undefined) kept.manifests = entry.manifests;
  if (entry.subject !== undefined) kept.subject = entry.subject;
  if (entry.annotations !== undefined) kept.annotations = entry.annotations;
  if (entry.annotationsInManifest !== undefined) kept.annotationsInManifest = entry.annotationsInManifest;
  if (entry.untaggedAt !== undefined) kept.untaggedAt = entry.untaggedAt;
  if (entry.subjectGoneAt !== undefined) kept.subjectGoneAt = entry.subjectGoneAt;
  return kept;
}
