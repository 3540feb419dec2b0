import { join } from "node:path";
import type { Awaitable } from "../core/awaitable.ts";
import type { Digest } from "../core/digest.ts";
import type { RepositoryName, Tag } from "../core/name.ts";
import { Catalog } from "./catalog.ts";
import { JOURNAL_FLOOR } from "./compaction.ts";
import { createDisk, type Disk, type Durability } from "./disk.ts";
import { promised } from "./fold.ts";
import type { IndexLog } from "./log.ts";
import { repositoryPaths } from "./paths.ts";
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
  Remains,
  Some,
  TagEntry,
  Transaction,
} from "./port.ts";
import { Promises } from "./promises.ts";
import { Repository } from "./repository.ts";
import { RepositoryCache } from "./repository-cache.ts";
import { Reserve, withReserve } from "./reserve.ts";
import type { RepositoryState } from "./state.ts";

export interface JournalIndexOptions {
  /** The data directory; it exists, and nobody else writes to its `index`. */
  readonly directory: string;
  readonly durability: Durability;
  readonly log?: IndexLog;
  /**
   * How many entries (blobs, manifests, tags) repositories that are not in use may keep in memory together;
   * 100,000 take about 30 MB. Default: 250,000, of at most 1,000 repositories.
   */
  readonly cacheSize?: number;
  readonly onCommit?: OnCommit;
}

const CACHE_SIZE = 250_000;

/** Opens an index of JSON files. Repositories are read on first use, so this takes no time. */
export async function openJournalIndex(options: JournalIndexOptions): Promise<Index> {
  const disk = createDisk(options.durability);
  const directory = join(options.directory, "index");
  await disk.makeDirectory(directory);
  await disk.syncDirectory(options.directory);
  const reserve = new Reserve(join(directory, "_reserve"));
  await reserve.fill();
  return new JournalIndex(withReserve(disk, reserve), { ...options, directory, reserve });
}

/** The index on any disk, in a directory of its own. Journals below `compactAbove` bytes are left alone. */
export class JournalIndex implements Index {
  readonly remembersPromises = false;
  readonly #repositories: RepositoryCache;
  readonly #catalog: Catalog;
  readonly #promises = new Promises();
  readonly #reserve: Reserve | undefined;

  constructor(
    disk: Disk,
    options: Pick<JournalIndexOptions, "directory" | "log" | "cacheSize" | "onCommit"> & {
      readonly compactAbove?: number;
      readonly reserve?: Reserve;
    },
  ) {
    const { directory, log = SILENT, cacheSize = CACHE_SIZE, compactAbove = JOURNAL_FLOOR } = options;
    const { onCommit } = options;
    const open = (name: RepositoryName) =>
      new Repository(disk, repositoryPaths(directory, name), {
        log,
        compactAbove,
        promises: this.#promises,
        onCommit: (commit) => onCommit?.({ repository: name, ...commit }),
      });
    this.#repositories = new RepositoryCache(open, cacheSize);
    this.#reserve = options.reserve;
    this.#catalog = new Catalog(disk, directory, (name) => this.#repositories.exists(name));
  }

  apply(name: RepositoryName, transaction: Transaction): Promise<void> {
    for (const digest of promised(transaction.changes)) this.#promises.give(digest);
    return this.#repositories.use(name, (repository) => repository.apply(transaction));
  }

  async agePromises(): Promise<void> {
    this.#promises.age();
  }

  async isPromised(digest: Digest): Promise<boolean> {
    this.#repositories.assertOpen();
    return this.#promises.hold(digest);
  }

  async intact(name: RepositoryName): Promise<boolean> {
    return await this.#repositories.use(name, (repository) => repository.intact());
  }

  async remains(name: RepositoryName): Promise<Remains | undefined> {
    return await this.#repositories.use(name, (repository) => repository.remains());
  }

  async repair(name: RepositoryName): Promise<string[]> {
    return await this.#repositories.use(name, (repository) => repository.repair());
  }

  async exists(name: RepositoryName): Promise<boolean> {
    this.#repositories.assertOpen();
    return await this.#catalog.exists(name);
  }

  async repositories(page: PageAfter<string>): Promise<Page<RepositoryName, RepositoryName>> {
    this.#repositories.assertOpen();
    return await this.#catalog.page(page);
  }

  blob(name: RepositoryName, digest: Digest, look?: Look): Awaitable<BlobEntry | undefined> {
    return this.#look(name, (state) => this.#promises.found(state.blobs.get(digest), look), digest);
  }

  blobs(name: RepositoryName, page: PageRequest): Promise<Page<BlobEntry>> {
    return this.#read(name, (state) => state.blobs.page(page));
  }

  unusedBlobs(name: RepositoryName, page: PageRequest): Promise<Page<BlobEntry>> {
    return this.#read(name, (state) => state.unusedBlobs(page));
  }

  manifest(name: RepositoryName, digest: Digest, look?: Look): Awaitable<ManifestEntry | undefined> {
    return this.#look(name, (state) => this.#promises.found(state.manifests.get(digest), look), digest);
  }

  manifests(
    name: RepositoryName,
    page: PageRequest,
  ): Promise<Page<ManifestEntry & { readonly tags: readonly Tag[] }>> {
    return this.#read(name, (state) => state.manifestsWithTags(page));
  }

  referrers(name: RepositoryName, subject: Digest, page: ReferrersRequest): Promise<Page<ManifestEntry>> {
    return this.#read(name, (state) => state.referrers(subject, page));
  }

  namedBy(name: RepositoryName, digest: Digest, as: Naming, limit: number): Promise<Some<Digest>> {
    return this.#read(name, (state) => state.namedBy(digest, as, limit));
  }

  tag(name: RepositoryName, tag: Tag): Awaitable<TagEntry | undefined> {
    return this.#look(name, (state) => state.tags.get(tag), tag);
  }

  tagsOf(name: RepositoryName, digest: Digest): Promise<readonly Tag[]> {
    return this.#read(name, (state) => state.sortedTags(digest));
  }

  tags(name: RepositoryName, page: PageAfter<string>): Promise<Page<TagEntry, Tag>> {
    return this.#read(name, (state) => state.tags.page(page));
  }

  close(): Promise<void> {
    this.#reserve?.close();
    return this.#repositories.close();
  }

  /** An entry, from memory at once when it can be; the repository then needs no pin. */
  #look<T>(name: RepositoryName, look: (state: RepositoryState) => T, key: string): Awaitable<T> {
    const state = this.#repositories.peek(name)?.durable(key);
    return state === undefined ? this.#read(name, look, key) : look(state);
  }

  #read<T>(name: RepositoryName, look: (state: RepositoryState) => T, key?: string): Promise<T> {
    return this.#repositories.use(name, (repository) => repository.read(look, key));
  }
}

const SILENT: IndexLog = { warn: () => {}, error: () => {} };
