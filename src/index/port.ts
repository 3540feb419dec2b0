import type { Awaitable } from "../core/awaitable.ts";
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
  /** What it is listed as among referrers. */
  readonly artifactType?: string;
  /** Blobs it names, config included. They need not be linked here; one that is must not be unlinked. */
  readonly blobs: readonly Digest[];
  /** Manifests it names, for an image index; they need not be here. Absent when it names none. */
  readonly manifests?: readonly Digest[];
  /** The manifest that it refers to, which need not be here. */
  readonly subject?: Digest;
  /** Shown by listings and referrers. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** It has annotations, too many to be kept here: they are in the manifest itself. */
  readonly annotationsInManifest?: true;
  /** ISO 8601, when it was put first. */
  readonly createdAt: string;
  /** ISO 8601, when it lost its last tag; absent while it has one, and when it never had. */
  readonly untaggedAt?: string;
  /** ISO 8601, when its subject was deleted; absent while that is here, and when it was not since this was put. */
  readonly subjectGoneAt?: string;
}

/** A manifest as it is put: what happens to it is for the index to say. */
export type NewManifest = Omit<ManifestEntry, "position" | "createdAt" | "untaggedAt" | "subjectGoneAt">;

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
  | { readonly type: "manifestPut"; readonly manifest: NewManifest }
  /** Its tags go with it. An index that names it, and what refers to it, stay. */
  | { readonly type: "manifestDeleted"; readonly digest: Digest }
  | { readonly type: "tagSet"; readonly tag: Tag; readonly digest: Digest }
  | { readonly type: "tagDeleted"; readonly tag: Tag };

type Of<T extends Change["type"]> = Extract<Change, { type: T }>;

/** A change that took effect, as it is written down: with what it replaced. */
export type RecordedChange =
  | Of<"blobLinked" | "blobUnlinked" | "blobUnpacked" | "manifestPut">
  | (Of<"manifestDeleted"> & { readonly tags: readonly Tag[] })
  | (Of<"tagSet"> & { readonly was: Digest | null })
  | (Of<"tagDeleted"> & { readonly was: Digest });

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
  /** All are here. MANIFEST_BLOB_UNKNOWN, `detail: {missing: […]}`. */
  | { readonly type: "manifestsPresent"; readonly digests: readonly Digest[] }
  /** The tag exists. TAG_UNKNOWN. */
  | { readonly type: "tagPresent"; readonly tag: Tag }
  /** The tag is at that digest, or does not exist (`null`). PRECONDITION_FAILED, `detail: {tag, is}`. */
  | { readonly type: "tagAt"; readonly tag: Tag; readonly digest: Digest | null }
  /** The tag exists, at one of these digests or at any. PRECONDITION_FAILED, `detail: {tag, is}`. */
  | { readonly type: "tagAmong"; readonly tag: Tag; readonly digests: readonly Digest[] | "any" }
  /** Nobody has been promised it, here or elsewhere. PRECONDITION_FAILED, `detail: {digest}`. */
  | { readonly type: "unpromised"; readonly digest: Digest }
  /**
   * It has no tags, no index here lists it and its subject is not here: has not been since `subjectGoneAt`, if that is
   * given. PRECONDITION_FAILED, `detail: {digest}`.
   */
  | { readonly type: "manifestUnneeded"; readonly digest: Digest; readonly subjectGoneAt?: string }
  /** No other tags are at that digest. PRECONDITION_FAILED, `detail: {digest, tag}`. */
  | { readonly type: "noTagsBut"; readonly digest: Digest; readonly tags: readonly Tag[] }
  /** None of the tags exists at another digest. DENIED, because they are immutable, `detail: {tag, is}`. */
  | { readonly type: "tagsNotMoved"; readonly tags: readonly Tag[]; readonly to: Digest };

/** Who makes changes, and on which occasion. */
export interface Occasion {
  /** Who asked, for the record. */
  readonly who: string;
  /** Names the request that asked; absent when none did. Not part of the record. */
  readonly request?: string | undefined;
  /** What is linked was here already, in that repository if one was named. Not part of the record. */
  readonly mount?: { readonly from: RepositoryName | undefined } | undefined;
}

export interface Transaction extends Occasion {
  readonly changes: readonly Change[];
  readonly requires?: readonly Requirement[];
}

/** A transaction that has taken effect: what changed, those changes aside that changed nothing. */
export interface Commit extends Occasion {
  readonly repository: RepositoryName;
  /** ISO 8601. */
  readonly at: string;
  /** Not empty. */
  readonly changes: readonly RecordedChange[];
}

/**
 * Is told of every commit once it is durable and before `apply` resolves, in the order in which those of one
 * repository took effect. Must not throw.
 */
export type OnCommit = (commit: Commit) => void;

/** Newest first; only entries whose position is below `before`, if given. */
export interface PageRequest {
  /** 1 to 1000. */
  readonly limit: number;
  readonly before?: number;
}

/** Ascending; only what comes after `after`, if given, which need not exist. */
export interface PageAfter<C> {
  /** At least 1. What a page costs grows with it. */
  readonly limit: number;
  readonly after?: C;
}

export interface ReferrersRequest extends PageAfter<number> {
  /** Only manifests of this type. */
  readonly artifactType?: string;
}

export interface Page<T, C = number> {
  readonly items: readonly T[];
  /** `before` or `after` of the next page: the place of the last item; absent when nothing follows on it. */
  readonly next?: C;
}

/** Some of many: the first, and how many there are. */
export interface Some<T> {
  readonly items: readonly T[];
  readonly total: number;
}

/** How a manifest names a digest: among its blobs, among the manifests that it lists, as its subject. */
export type Naming = "blob" | "manifest" | "subject";

export interface Look {
  /**
   * Promises what is found to whoever is told of it, of a manifest also what it names: garbage collection leaves it
   * alone for a while.
   */
  readonly promise?: boolean;
}

/** A line of a file of the record that is not what was written, or that follows on lines which are missing. */
export interface Damage {
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

/** What damage has left of a repository's record beyond what could be read. */
export interface Remains {
  /** At least one. */
  readonly damaged: readonly Damage[];
  /** That damaged lines have put, link and set, as far as their text tells. Nothing that is known later has undone it. */
  readonly manifests: readonly Digest[];
  readonly blobs: readonly Digest[];
  readonly tags: readonly { readonly tag: Tag; readonly digest: Digest }[];
}

/**
 * A repository comes into being with its first change, and stays; an unknown one reads as empty.
 * Readers see only what is durable. A repository whose record is damaged still serves what could be read.
 */
export interface Index {
  /**
   * Applies all changes or none, and resolves when they are durable. Requirements see changes that are
   * queued before this one. Throws the requirement's error, or UNAVAILABLE when the record could not be
   * written: then nothing was applied. What is linked, put or tagged is promised, changed or not, and the
   * subject of what is put; so is the manifest that a tag is taken from, by being deleted or moved.
   */
  apply(repository: RepositoryName, transaction: Transaction): Promise<void>;
  /**
   * Begins a new generation of promises, and ends those that are older than the last one.
   * @param period milliseconds; where several processes share an index, a generation that another one began less
   * than that ago goes on.
   */
  agePromises(period?: number): Promise<void>;
  /** Whether promises outlive the process that gave them. */
  readonly remembersPromises: boolean;
  /** Whether somebody has been promised it, in whichever repository. */
  isPromised(digest: Digest): Promise<boolean>;
  /** Whether nothing of a repository's record is known to be damaged. Reads it. */
  intact(repository: RepositoryName): Promise<boolean>;
  /** What its damaged lines still tell; `undefined` when it is intact. */
  remains(repository: RepositoryName): Promise<Remains | undefined>;
  /**
   * Makes what could be read of a damaged record the whole record, durably: the repository is intact afterwards. What
   * was there is kept, in the files that it resolves with. Nobody else may use the repository meanwhile.
   */
  repair(repository: RepositoryName): Promise<string[]>;
  /** Whether a change has ever been recorded. */
  exists(repository: RepositoryName): Promise<boolean>;
  /** All that exist, in the ASCIIbetical order of their whole names. */
  repositories(page: PageAfter<string>): Promise<Page<RepositoryName, RepositoryName>>;
  /** `blob`, `manifest` and `tag` answer at once when they can. */
  blob(repository: RepositoryName, digest: Digest, look?: Look): Awaitable<BlobEntry | undefined>;
  blobs(repository: RepositoryName, page: PageRequest): Promise<Page<BlobEntry>>;
  /** Those that no manifest here names, newest first. A page may have fewer than asked for and a next one. */
  unusedBlobs(repository: RepositoryName, page: PageRequest): Promise<Page<BlobEntry>>;
  manifest(repository: RepositoryName, digest: Digest, look?: Look): Awaitable<ManifestEntry | undefined>;
  /** With the tags that point at each. */
  manifests(
    repository: RepositoryName,
    page: PageRequest,
  ): Promise<Page<ManifestEntry & { readonly tags: readonly Tag[] }>>;
  /** The manifests here whose subject is that digest, oldest first; the cursor is their position. */
  referrers(
    repository: RepositoryName,
    subject: Digest,
    page: ReferrersRequest,
  ): Promise<Page<ManifestEntry>>;
  /** The manifests here that name a digest, which need not be here, in that way; oldest first, at most `limit`. */
  namedBy(repository: RepositoryName, digest: Digest, as: Naming, limit: number): Promise<Some<Digest>>;
  tag(repository: RepositoryName, tag: Tag): Awaitable<TagEntry | undefined>;
  /** The tags that are at that digest, in the order of their names. */
  tagsOf(repository: RepositoryName, digest: Digest): Promise<readonly Tag[]>;
  /** In the ASCIIbetical order of their names. */
  tags(repository: RepositoryName, page: PageAfter<string>): Promise<Page<TagEntry, Tag>>;
  /** Waits for what is queued, then releases everything held. Idempotent; `apply` afterwards rejects. */
  close(): Promise<void>;
}
