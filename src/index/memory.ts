import type { Digest } from "../core/digest.ts";
import { LayerdError } from "../core/errors.ts";
import type { RepositoryName, Tag } from "../core/name.ts";
import { fold } from "./fold.ts";
import type { BlobEntry, Index, ManifestEntry, Page, PageRequest, TagEntry, Transaction } from "./port.ts";
import { check } from "./requirements.ts";
import { RepositoryState } from "./state.ts";

/** An index that lives and ends with the process. */
export function createMemoryIndex(): Index {
  return new MemoryIndex();
}

class MemoryIndex implements Index {
  readonly #repositories = new Map<RepositoryName, RepositoryState>();
  #closed = false;

  async apply(repository: RepositoryName, { changes, requires = [] }: Transaction): Promise<void> {
    const state = this.#state(repository);
    check(state, requires);
    const at = new Date().toISOString();
    for (const change of changes) fold(state, change, at);
    if (state.size > 0) this.#repositories.set(repository, state);
  }

  async blob(repository: RepositoryName, digest: Digest): Promise<BlobEntry | undefined> {
    return this.#state(repository).blobs.get(digest);
  }

  async blobs(repository: RepositoryName, page: PageRequest): Promise<Page<BlobEntry>> {
    return this.#state(repository).blobs.page(page);
  }

  async manifest(repository: RepositoryName, digest: Digest): Promise<ManifestEntry | undefined> {
    return this.#state(repository).manifests.get(digest);
  }

  async manifests(
    repository: RepositoryName,
    page: PageRequest,
  ): Promise<Page<ManifestEntry & { readonly tags: readonly Tag[] }>> {
    return this.#state(repository).manifestsWithTags(page);
  }

  async tag(repository: RepositoryName, tag: Tag): Promise<TagEntry | undefined> {
    return this.#state(repository).tags.get(tag);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#repositories.clear();
  }

  #state(repository: RepositoryName): RepositoryState {
    if (this.#closed) throw new LayerdError("UNAVAILABLE", "the index is closed");
    return this.#repositories.get(repository) ?? new RepositoryState();
  }
}
