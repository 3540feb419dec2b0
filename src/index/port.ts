import type { Digest } from "../core/digest.ts";
import type { RepositoryName, Tag } from "../core/name.ts";

/*
 * What a repository knows about the bytes: which blobs are linked to it, its manifests, its tags. Every
 * change is a value; one transaction is one journal line, or one SQL transaction. Manifests themselves are
 * blobs: the index holds what listing, resolution and GC need, so that none of them reads a manifest.
 */

/** A blob that a repository may serve. */
export interface BlobEntry {
  /** Its place in the listing order: grows with every new entry of the repository, kept when put again. */
  readonly position: number;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly mediaType: string;
  /** File name given by the uploader, if any. */
  readonly name?: string;
  /** ISO 8601, when it was linked first. */
  readonly createdAt: string;
  /** What the layer unpacks to, once computed: the digest and size of the uncompressed tar. */
  readonly unpacked?: Unpacked;
}

export interface Unpacked {
  readonly diffId: Digest;
  /** Bytes. */
  readonly size: number;
}

/** A manifest of a repository, and all it points at. */
export interface ManifestEntry {
  /** As in `BlobEntry`. */
  readonly position: number;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly mediaType: string;
  readonly artifactType?: string;
  /** Blobs it needs, config included: none of them may be unlinked while the manifest is there. */
  readonly blobs: readonly Digest[];
  readonly subject?: Digest;
  /** Shown by listings (and, one day, by referrers). */
  readonly annotations?: Readonly<Record<string, string>>;
  /** ISO 8601, when it was put first. */
  readonly createdAt: string;
}

export interface TagEntry {
  readonly tag: Tag;
  readonly digest: Digest;
  readonly updatedAt: string;
}

/** One change. Applying a change that changes nothing is legal and writes nothing. */
export type Change =
  | {
      readonly type: "blobLinked";
      readonly digest: Digest;
      readonly size: number;
      readonly mediaType: string;
      readonly name?: string;
    }
  | { readonly type: "blobUnlinked"; readonly digest: Digest }
  | { readonly type: "blobUnpacked"; readonly digest: Digest; readonly unpacked: Unpacked }
  | { readonly type: "manifestPut"; readonly manifest: Omit<ManifestEntry, "createdAt" | "position"> }
  /** Its tags go with it. */
  | { readonly type: "manifestDeleted"; readonly digest: Digest }
  | { readonly type: "tagSet"; readonly tag: Tag; readonly digest: Digest }
  | { readonly type: "tagDeleted"; readonly tag: Tag };

/** What must hold at the moment a transaction takes effect; each fails with the error named. */
export type Requirement =
  /** All are linked here. MANIFEST_BLOB_UNKNOWN, `detail: {missing: […]}`. */
  | { readonly type: "blobsLinked"; readonly digests: readonly Digest[] }
  /** It is linked here. BLOB_UNKNOWN. */
  | { readonly type: "blobLinked"; readonly digest: Digest }
  /** No manifest here needs it. BLOB_IN_USE, `detail: {manifests: [up to 10 digests]}`. */
  | { readonly type: "blobUnused"; readonly digest: Digest }
  /** It is here. MANIFEST_UNKNOWN. */
  | { readonly type: "manifestPresent"; readonly digest: Digest }
  /** The tag is at that digest, or does not exist (`null`). PRECONDITION_FAILED, `detail: {tag, is}`. */
  | { readonly type: "tagAt"; readonly tag: Tag; readonly digest: Digest | null };

export interface Transaction {
  /** Who asked, for the record. */
  readonly who: string;
  readonly changes: readonly Change[];
  readonly requires?: readonly Requirement[];
}

/** Newest first; only entries whose position is below `before`, if given. */
export interface PageRequest {
  /** 1 to 1000. */
  readonly limit: number;
  readonly before?: number;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** `before` of the next page: the position of the last item; absent when there is nothing after it. */
  readonly next?: number;
}

/**
 * A repository comes into being with its first change; an unknown one reads as empty.
 * Readers see only what is durable. A repository whose record is damaged still serves what could be read.
 */
export interface Index {
  /**
   * Applies all changes or none, and resolves when they are durable. Requirements see changes that are
   * queued before this one. Throws the requirement's error, or UNAVAILABLE when the record could not be
   * written: then nothing was applied.
   */
  apply(repository: RepositoryName, transaction: Transaction): Promise<void>;
  blob(repository: RepositoryName, digest: Digest): Promise<BlobEntry | undefined>;
  blobs(repository: RepositoryName, page: PageRequest): Promise<Page<BlobEntry>>;
  manifest(repository: RepositoryName, digest: Digest): Promise<ManifestEntry | undefined>;
  /** With the tags that point at each. */
  manifests(
    repository: RepositoryName,
    page: PageRequest,
  ): Promise<Page<ManifestEntry & { readonly tags: readonly Tag[] }>>;
  tag(repository: RepositoryName, tag: Tag): Promise<TagEntry | undefined>;
  /** Waits for what is queued, then releases everything held. Idempotent; `apply` afterwards rejects. */
  close(): Promise<void>;
}
