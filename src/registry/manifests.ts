import type { BlobHandle, BlobStore } from "../blobs/port.ts";
import { type Awaitable, andThen } from "../core/awaitable.ts";
import { type Digest, digestOfId } from "../core/digest.ts";
import { LayerdError } from "../core/errors.ts";
import { isTag, type RepositoryName, type Tag } from "../core/name.ts";
import type { Rules } from "../core/rules.ts";
import type {
  Index,
  Look,
  ManifestEntry,
  Page,
  PageAfter,
  PageRequest,
  Requirement,
  TagEntry,
} from "../index/port.ts";
import { by, type Place } from "./layers.ts";
import { requireDeletable, requireWritable } from "./write-rules.ts";

/** A manifest by its digest, or by a tag that points at it now. */
export type Reference = { readonly digest: Digest } | { readonly tag: Tag };

/**
 * Reads `{id}` of the simple API: a digest, its bare hex, or a tag. A tag may look like an id; the digest wins.
 * @throws MANIFEST_INVALID when it can be neither.
 */
export function parseReference(text: string): Reference {
  const digest = digestOfId(text);
  if (digest !== undefined) return { digest };
  if (isTag(text)) return { tag: text };
  throw new LayerdError(
    "MANIFEST_INVALID",
    `not a manifest id or tag: ${JSON.stringify(text.slice(0, 150))}`,
    {
      detail: { expected: "sha256:<64 hex digits>, the hex alone, or a tag" },
    },
  );
}

export interface OpenManifest {
  readonly entry: ManifestEntry;
  /** The manifest's bytes. The caller closes it. */
  readonly handle: BlobHandle;
}

/** Manifests of a repository: bytes in the blob store, entries and tags in the index. */
export class Manifests {
  readonly #blobs: BlobStore;
  readonly #index: Index;
  readonly #rules: Rules;

  constructor(stores: { blobs: BlobStore; index: Index }, rules: Rules) {
    this.#blobs = stores.blobs;
    this.#index = stores.index;
    this.#rules = rules;
  }

  /**
   * @param look whether it is promised to the client, and what it names.
   * @throws MANIFEST_UNKNOWN, TAG_UNKNOWN
   */
  find(repository: RepositoryName, reference: Reference, look?: Look): Awaitable<ManifestEntry> {
    if ("digest" in reference) return this.#entry(repository, reference.digest, look);
    const { tag } = reference;
    return andThen(this.#index.tag(repository, tag), (entry) => {
      if (entry !== undefined) return this.#entry(repository, entry.digest, look);
      throw new LayerdError("TAG_UNKNOWN", `no manifest is tagged ${tag}`, { detail: { tag } });
    });
  }

  /** @throws MANIFEST_UNKNOWN, TAG_UNKNOWN */
  open(repository: RepositoryName, reference: Reference, look?: Look): Awaitable<OpenManifest> {
    return andThen(this.find(repository, reference, look), (entry) =>
      andThen(this.#blobs.open(entry.digest), (handle) => opened(entry, handle)),
    );
  }

  /** Newest first, each with its tags. */
  list(
    repository: RepositoryName,
    page: PageRequest,
  ): Promise<Page<ManifestEntry & { readonly tags: readonly Tag[] }>> {
    return this.#index.manifests(repository, page);
  }

  /** In the ASCIIbetical order of their names. */
  tags(repository: RepositoryName, page: PageAfter<string>): Promise<Page<TagEntry, Tag>> {
    return this.#index.tags(repository, page);
  }

  /** Deletes a manifest and its tags; given a tag, the manifest it points at, unless it moves meanwhile. */
  async delete(place: Place, reference: Reference): Promise<void> {
    const rules = requireWritable(this.#rules, place.repository);
    const { digest } = await this.find(place.repository, reference);
    const guards: Requirement[] = "tag" in reference ? [{ type: "tagAt", tag: reference.tag, digest }] : [];
    await this.#index.apply(place.repository, {
      ...by(place),
      changes: [{ type: "manifestDeleted", digest }],
      requires: [
        { type: "manifestPresent", digest },
        ...guards,
        ...(await requireDeletable(this.#index, place.repository, digest, rules)),
      ],
    });
  }

  /** Deletes a tag; the manifest it points at stays. @throws TAG_UNKNOWN, DENIED when it is immutable */
  async untag(place: Place, tag: Tag, guards: readonly Requirement[] = []): Promise<void> {
    const rules = requireWritable(this.#rules, place.repository);
    if (rules.isImmutable(tag)) {
      const { digest } = await this.find(place.repository, { tag });
      throw new LayerdError("DENIED", `the tag ${tag} is immutable`, { detail: { tag, is: digest } });
    }
    await this.#index.apply(place.repository, {
      ...by(place),
      changes: [{ type: "tagDeleted", tag }],
      requires: [{ type: "tagPresent", tag }, ...guards],
    });
  }

  #entry(repository: RepositoryName, digest: Digest, look?: Look): Awaitable<ManifestEntry> {
    return andThen(this.#index.manifest(repository, digest, look), (entry) => {
      if (entry !== undefined) return entry;
      throw unknownManifest(digest);
    });
  }
}

function opened(entry: ManifestEntry, handle: BlobHandle | undefined): Awaitable<OpenManifest> {
  if (handle?.size === entry.size) return { entry, handle };
  return andThen(handle?.close(), () => {
    throw unknownManifest(entry.digest);
  });
}

function unknownManifest(digest: Digest): LayerdError {
  return new LayerdError("MANIFEST_UNKNOWN", `no manifest ${digest}`, { detail: { digest } });
}
