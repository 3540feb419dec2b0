import type { BlobStore } from "../../blobs/port.ts";
import type { Digest } from "../../core/digest.ts";
import { isLayerdError, LayerdError } from "../../core/errors.ts";
import type { RepositoryName } from "../../core/name.ts";
import type { Rules } from "../../core/rules.ts";
import type { Index } from "../../index/port.ts";
import type { Holds } from "../holds.ts";
import { DigestSet } from "./digest-set.ts";
import { unneededManifests } from "./manifests.ts";
import { Pace } from "./pace.ts";
import { everyBlob, everyManifest, everyRepository, unusedBlobs } from "./walk.ts";

/** What is removed, and why. */
export type Verdict =
  | {
      readonly what: "manifest";
      readonly repository: RepositoryName;
      readonly digest: Digest;
      readonly why: string;
    }
  | {
      readonly what: "link";
      readonly repository: RepositoryName;
      readonly digest: Digest;
      readonly why: string;
    }
  | { readonly what: "blob"; readonly digest: Digest; readonly size: number; readonly why: string }
  | { readonly what: "trash"; readonly digest: Digest; readonly size: number; readonly why: string };

export interface CollectOptions {
  /** Tells what would be removed, and removes nothing. */
  readonly dryRun?: boolean;
  /** No server has been running that could have promised something. */
  readonly nothingPromised?: boolean;
  /** Told of everything that is removed, or would be. */
  readonly report?: (verdict: Verdict) => void;
  readonly signal?: AbortSignal;
}

export interface Collected {
  readonly manifests: number;
  readonly links: number;
  readonly blobs: number;
  /** Bytes that went to the trash. */
  readonly bytes: number;
  /** Blobs whose time in the trash was over. */
  readonly purged: number;
  readonly purgedBytes: number;
  /**
   * ISO 8601; until then repositories are left as they are, because what was promised before the server's start is not
   * known.
   */
  readonly waitsUntil?: string;
}

export interface CollectorOptions {
  readonly rules: Rules;
  /** Milliseconds for which what nobody needs is kept, counted from when it was last promised to somebody. */
  readonly grace: number;
  /** Milliseconds for which what was collected can be restored. */
  readonly trashTtl: number;
}

type Tally = { -readonly [K in keyof Omit<Collected, "waitsUntil">]: number };

// As many changes of the index are on their way to the disk at a time: they share its syncs.
const AT_ONCE = 32;
const WHO = "gc";
const NOTHING: ReadonlySet<Digest> = new Set();

/**
 * Garbage collection, while requests are being answered. First what nobody needs leaves the index: its own rules see
 * to it that nothing comes between (`Requirement`). Then blobs that no index needs leave the store: `Holds` sees to
 * it that none goes which somebody is about to link. What is removed goes to the trash.
 */
export class Collector {
  readonly #blobs: BlobStore;
  readonly #index: Index;
  readonly #holds: Holds;
  readonly #options: CollectorOptions;
  readonly #startedAt = Date.now();
  #running: Promise<Collected> | undefined;

  constructor(stores: { blobs: BlobStore; index: Index; holds: Holds }, options: CollectorOptions) {
    this.#blobs = stores.blobs;
    this.#index = stores.index;
    this.#holds = stores.holds;
    this.#options = options;
  }

  /** One collection at a time. @throws UNAVAILABLE while one runs, or when a part of the index is damaged */
  async collect(options: CollectOptions = {}): Promise<Collected> {
    if (this.#running !== undefined)
      throw new LayerdError("UNAVAILABLE", "garbage is being collected already");
    this.#running = this.#collect(options);
    try {
      return await this.#running;
    } finally {
      this.#running = undefined;
    }
  }

  /** Resolves when no collection runs. Whoever wants one to end aborts it. */
  async idle(): Promise<void> {
    await this.#running?.catch(() => undefined);
  }

  async #collect(options: CollectOptions): Promise<Collected> {
    const tally = { manifests: 0, links: 0, blobs: 0, bytes: 0, purged: 0, purgedBytes: 0 };
    const pace = new Pace(options.signal);
    const waitsUntil = options.nothingPromised === true ? 0 : this.#startedAt + this.#options.grace;
    const waits = waitsUntil > Date.now();
    this.#holds.remember();
    try {
      await this.#requireIntact(pace);
      const needed = await this.#blobsOfUploads(pace);
      for await (const repository of everyRepository(this.#index)) {
        const leaving = waits ? NOTHING : await this.#collectIndex(repository, options, tally, pace);
        await this.#mark(repository, needed, leaving, pace);
      }
      await this.#collectBlobs(needed, options, tally, pace);
      await this.#emptyTrash(options, tally, pace);
      return waits ? { ...tally, waitsUntil: new Date(waitsUntil).toISOString() } : tally;
    } finally {
      this.#holds.forget();
    }
  }

  /** What a damaged part of the index needed, nobody knows. */
  async #requireIntact(pace: Pace): Promise<void> {
    for await (const repository of everyRepository(this.#index)) {
      await pace.step();
      if (await this.#index.intact(repository)) continue;
      throw new LayerdError(
        "UNAVAILABLE",
        `nothing is collected while the index of ${repository} is damaged`,
        {
          detail: { repository },
        },
      );
    }
  }

  /** @returns what a dry run would have removed. */
  async #collectIndex(
    repository: RepositoryName,
    options: CollectOptions,
    tally: Tally,
    pace: Pace,
  ): Promise<ReadonlySet<Digest>> {
    const { keepUntagged, keepUnused, readOnly } = this.#options.rules.for(repository);
    if (readOnly) return NOTHING;
    const leaving = new Set<Digest>();
    const manifests = await unneededManifests(this.#index, repository, this.#before(keepUntagged), pace);
    await inGroups(manifests, async ({ digest, why }) => {
      if (!(await this.#apply(repository, "manifest", digest, options))) return;
      tally.manifests += 1;
      leaving.add(digest);
      options.report?.({ what: "manifest", repository, digest, why });
    });
    const before = this.#before(keepUnused ?? this.#options.grace);
    const unused = unusedBlobs(this.#index, repository, { before, without: leaving }, pace);
    await inGroups(unused, async (digest) => {
      if (!(await this.#apply(repository, "link", digest, options))) return;
      tally.links += 1;
      leaving.add(digest);
      options.report?.({ what: "link", repository, digest, why: "no manifest here names it" });
    });
    return options.dryRun === true ? leaving : NOTHING;
  }

  /** Entries that are older may go; `undefined` when none may. */
  #before(keep: number): Date | undefined {
    if (keep === Number.POSITIVE_INFINITY) return undefined;
    return new Date(Date.now() - Math.max(keep, this.#options.grace));
  }

  /** Whether it was removed, or would be. */
  async #apply(
    repository: RepositoryName,
    what: "manifest" | "link",
    digest: Digest,
    { dryRun = false }: CollectOptions,
  ): Promise<boolean> {
    const manifest = what === "manifest";
    const removal = { type: manifest ? "manifestDeleted" : "blobUnlinked", digest } as const;
    const unneeded = { type: manifest ? "manifestUnneeded" : "blobUnused", digest } as const;
    const unpromised = { type: "unpromised", digest } as const;
    const transaction = dryRun
      ? { changes: [], requires: [unpromised] }
      : { changes: [removal], requires: [unneeded, unpromised] };
    try {
      await this.#index.apply(repository, { who: WHO, ...transaction });
      return true;
    } catch (error) {
      if (isLayerdError(error, "PRECONDITION_FAILED") || isLayerdError(error, "BLOB_IN_USE")) return false;
      throw error;
    }
  }

  /** Published, and not linked yet: the process died between the two, or the link failed. Their clients go on. */
  async #blobsOfUploads(pace: Pace): Promise<DigestSet> {
    const digests = new DigestSet();
    for await (const { becoming } of this.#blobs.uploads()) {
      await pace.step();
      if (becoming !== undefined) digests.add(becoming);
    }
    return digests;
  }

  async #mark(
    repository: RepositoryName,
    needed: DigestSet,
    leaving: ReadonlySet<Digest>,
    pace: Pace,
  ): Promise<void> {
    const keep = (digest: Digest) => {
      if (!leaving.has(digest)) needed.add(digest);
    };
    for await (const { digest } of everyManifest(this.#index, repository, pace)) keep(digest);
    for await (const { digest } of everyBlob(this.#index, repository, pace)) keep(digest);
  }

  async #collectBlobs(needed: DigestSet, options: CollectOptions, tally: Tally, pace: Pace): Promise<void> {
    for await (const digest of this.#blobs.list()) {
      await pace.step();
      if (needed.has(digest)) continue;
      const stat = await this.#holds.unlessHeld(digest, () =>
        options.dryRun === true ? this.#blobs.stat(digest) : this.#blobs.discard(digest),
      );
      if (stat === undefined) continue;
      tally.blobs += 1;
      tally.bytes += stat.size;
      options.report?.({ what: "blob", digest, size: stat.size, why: "no repository has it" });
    }
  }

  async #emptyTrash(options: CollectOptions, tally: Tally, pace: Pace): Promise<void> {
    const before = Date.now() - this.#options.trashTtl;
    for await (const { digest, size, discardedAt } of this.#blobs.discarded()) {
      await pace.step();
      if (discardedAt.getTime() > before) continue;
      if (options.dryRun !== true) await this.#blobs.purge(digest);
      tally.purged += 1;
      tally.purgedBytes += size;
      options.report?.({ what: "trash", digest, size, why: "its time in the trash is over" });
    }
  }
}

async function inGroups<T>(
  items: Iterable<T> | AsyncIterable<T>,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let group: Promise<void>[] = [];
  for await (const item of items) {
    group.push(work(item));
    if (group.length < AT_ONCE) continue;
    await Promise.all(group);
    group = [];
  }
  await Promise.all(group);
}
