import type { Digest } from "../core/digest.ts";
import { LayerdError } from "../core/errors.ts";
import type { RepositoryName, Tag } from "../core/name.ts";
import { fold, promised, untagged } from "./fold.ts";
import { pageOf } from "./page.ts";
import type {
  BlobEntry,
  Index,
  Look,
  ManifestEntry,
  Naming,
  OnCommit,
  Page,
  PageAfter,
  PageRequest,
  ReferrersRequest,
  Some,
  TagEntry,
  Transaction,
} from "./port.ts";
import { Promises } from "./promises.ts";
import { check } from "./requirements.ts";
import { SortedList } from "./sorted-list.ts";
import { RepositoryState } from "./state.ts";

/** An index that lives and ends with the process. */
export function createMemoryIndex(options: { readonly onCommit?: OnCommit } = {}): Index {
  return new MemoryIndex(options.onCommit);
}

class MemoryIndex implements Index {
  readonly remembersPromises = false;
  readonly #repositories = new Map<RepositoryName, RepositoryState>();
  readonly #names = new SortedList<RepositoryName>((name) => name);
  readonly #promises = new Promises();
  readonly #onCommit: OnCommit | undefined;
  #closed = false;

  constructor(onCommit: OnCommit | undefined) {
    this.#onCommit = onCommit;
  }

  async apply(repository: RepositoryName, transaction: Transaction): Promise<void> {
    const { who, request, mount, changes, requires = [] } = transaction;
    const state = this.#state(repository);
    for (const digest of promised(changes)) this.#promises.give(digest);
    check(state, requires, (digest) => this.#promises.hold(digest));
    const at = new Date().toISOString();
    const recorded = changes.flatMap((change) => fold(state, change, at) ?? []);
    for (const digest of untagged(recorded)) this.#promises.give(digest);
    if (recorded.length === 0) return;
    if (!this.#repositories.has(repository)) {
      this.#repositories.set(repository, state);
      this.#names.put(repository);
    }
    this.#onCommit?.({ repository, at, who, request, mount, changes: recorded });
  }

  async agePromises(): Promise<void> {
    this.#promises.age();
  }

  async isPromised(digest: Digest): Promise<boolean> {
    this.#assertOpen();
    return this.#promises.hold(digest);
  }

  async intact(_repository: RepositoryName): Promise<boolean> {
    this.#assertOpen();
    return true;
  }

  async remains(_repository: RepositoryName): Promise<undefined> {
    this.#assertOpen();
  }

  async repair(_repository: RepositoryName): Promise<string[]> {
    this.#assertOpen();
    return [];
  }

  async exists(repository: RepositoryName): Promise<boolean> {
    this.#assertOpen();
    return this.#repositories.has(repository);
  }

  async repositories({
    limit,
    after = "",
  }: PageAfter<string>): Promise<Page<RepositoryName, RepositoryName>> {
    this.#assertOpen();
    return pageOf(this.#names.after(after), limit, (name) => name);
  }

  async blob(repository: RepositoryName, digest: Digest, look?: Look): Promise<BlobEntry | undefined> {
    return this.#promises.found(this.#state(repository).blobs.get(digest), look);
  }

  async blobs(repository: RepositoryName, page: PageRequest): Promise<Page<BlobEntry>> {
    return this.#state(repository).blobs.page(page);
  }

  async unusedBlobs(repository: RepositoryName, page: PageRequest): Promise<Page<BlobEntry>> {
    return this.#state(repository).unusedBlobs(page);
  }

  async manifest(
    repository: RepositoryName,
    digest: Digest,
    look?: Look,
  ): Promise<ManifestEntry | undefined> {
    return this.#promises.found(this.#state(repository).manifests.get(digest), look);
  }

  async manifests(
    repository: RepositoryName,
    page: PageRequest,
  ): Promise<Page<ManifestEntry & { readonly tags: readonly Tag[] }>> {
    return this.#state(repository).manifestsWithTags(page);
  }

  async referrers(
    repository: RepositoryName,
    subject: Digest,
    page: ReferrersRequest,
  ): Promise<Page<ManifestEntry>> {
    return this.#state(repository).referrers(subject, page);
  }

  async namedBy(
    repository: RepositoryName,
    digest: Digest,
    as: Naming,
    limit: number,
  ): Promise<Some<Digest>> {
    return this.#state(repository).namedBy(digest, as, limit);
  }

  async tag(repository: RepositoryName, tag: Tag): Promise<TagEntry | undefined> {
    return this.#state(repository).tags.get(tag);
  }

  async tagsOf(repository: RepositoryName, digest: Digest): Promise<readonly Tag[]> {
    return this.#state(repository).sortedTags(digest);
  }

  async tags(repository: RepositoryName, page: PageAfter<string>): Promise<Page<TagEntry, Tag>> {
    return this.#state(repository).tags.page(page);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#repositories.clear();
  }

  #assertOpen(): void {
    if (this.#closed) throw new LayerdError("UNAVAILABLE", "the index is closed");
  }

  #state(repository: RepositoryName): RepositoryState {
    this.#assertOpen();
    return this.#repositories.get(repository) ?? new RepositoryState();
  }
}
