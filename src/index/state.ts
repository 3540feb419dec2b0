import type { Digest } from "../core/digest.ts";
import type { Tag } from "../core/name.ts";
import { Entries } from "./entries.ts";
import { Multimap } from "./multimap.ts";
import type { BlobEntry, ManifestEntry, Page, PageRequest, TagEntry } from "./port.ts";

// Far more media types than there are in use; a client that invents them must not fill the memory.
const SHARED_TEXTS = 256;

/** While it is being made: adding what is optional one by one keeps most entries as small as they can be. */
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
  readonly tags = new Map<Tag, TagEntry>();
  /** From a manifest to the tags that point at it. */
  readonly tagsOf = new Multimap<Digest, Tag>();
  /** From a blob, linked or not, to the manifests that need it. */
  readonly users = new Multimap<Digest, Digest>();
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

  putManifest({ artifactType, subject, annotations, ...entry }: ManifestEntry): void {
    const { position, digest, size, createdAt } = entry;
    const mediaType = this.#shared(entry.mediaType);
    const blobs = entry.blobs.map((blob) => this.blobs.get(blob)?.digest ?? blob);
    const kept: Writable<ManifestEntry> = { position, digest, size, mediaType, blobs, createdAt };
    if (artifactType !== undefined) kept.artifactType = this.#shared(artifactType);
    if (subject !== undefined) kept.subject = this.#manifest(subject);
    if (annotations !== undefined) kept.annotations = { ...annotations };
    for (const blob of blobs) this.users.add(blob, digest);
    this.manifests.put(kept);
  }

  deleteManifest(digest: Digest): void {
    for (const blob of this.manifests.get(digest)?.blobs ?? []) this.users.delete(blob, digest);
    this.manifests.delete(digest);
  }

  putTag({ tag, digest, updatedAt }: TagEntry): void {
    this.deleteTag(tag);
    const entry = { tag, digest: this.#manifest(digest), updatedAt };
    this.tags.set(tag, entry);
    this.tagsOf.add(entry.digest, tag);
  }

  deleteTag(tag: Tag): void {
    const entry = this.tags.get(tag);
    if (entry === undefined) return;
    this.tags.delete(tag);
    this.tagsOf.delete(entry.digest, tag);
  }

  manifestsWithTags(page: PageRequest): Page<ManifestEntry & { readonly tags: readonly Tag[] }> {
    const { items, ...rest } = this.manifests.page(page);
    return { items: items.map((entry) => ({ ...entry, tags: this.#sortedTags(entry.digest) })), ...rest };
  }

  #sortedTags(digest: Digest): Tag[] {
    return this.tagsOf.first(digest).sort();
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
