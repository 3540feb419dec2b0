import type { BlobStat, BlobStore } from "../../blobs/port.ts";
import type { Cluster, Holds, Turn } from "../../cluster/port.ts";
import type { Digest } from "../../core/digest.ts";
import { LayerdError } from "../../core/errors.ts";
import type { RepositoryName } from "../../core/name.ts";
import type { Rules } from "../../core/rules.ts";
import type { Index } from "../../index/port.ts";
import type { Collected, CollectOptions, Removed, Run } from "./collected.ts";
import { DigestSet } from "./digest-set.ts";
import { Explainer } from "./explainer.ts";
import { inGroups } from "./groups.ts";
import { IndexCollector } from "./index-collector.ts";
import { Pace } from "./pace.ts";
import { CollectionRecord, nothingRemoved } from "./record.ts";
import { type Stay, staysIn } from "./stays.ts";
import { everyBlob, everyManifest, everyRepository } from "./walk.ts";

export interface CollectorOptions {
  readonly rules: Rules;
  /** Milliseconds for which what nobody needs is kept, counted from when it was last promised to somebody. */
  readonly grace: number;
  /** Milliseconds for which what was collected can be restored, and what was quarantined be looked into. */
  readonly trashTtl: number;
  /** Told of the bytes that go, to the trash or for good. */
  readonly onRemoved?: (removed: Removed) => void;
}

// Each waits for the disk three times; few enough for reads not to queue behind them.
const DISCARDED_AT_ONCE = 8;
const DUTY = "gc";
const NOTHING: ReadonlySet<Digest> = new Set();

/**
 * Garbage collection, while requests are being answered. First what nobody needs leaves the index: its own rules see
 * to it that nothing comes between (`Requirement`). Then blobs that no index needs leave the store: `Holds` sees to
 * it that none goes which somebody is about to link. What is removed goes to the trash.
 */
export class Collector {
  /** Dry runs aside. */
  readonly record = new CollectionRecord();
  readonly #blobs: BlobStore;
  readonly #index: Index;
  readonly #cluster: Cluster;
  readonly #inIndex: IndexCollector;
  readonly #explainer: Explainer;
  readonly #options: CollectorOptions;
  readonly #startedAt = Date.now();
  #running: Promise<Collected> | undefined;
  /** Where the last collection ended early. */
  #damaged: RepositoryName | undefined;

  constructor(stores: { blobs: BlobStore; index: Index; cluster: Cluster }, options: CollectorOptions) {
    this.#blobs = stores.blobs;
    this.#index = stores.index;
    this.#cluster = stores.cluster;
    this.#inIndex = new IndexCollector(stores.index, options);
    this.#explainer = new Explainer({ ...stores, holds: this.#holds }, options);
    this.#options = options;
  }

  /**
   * One collection at a time, of all servers.
   * @throws UNAVAILABLE while one runs, or when a part of the index is damaged
   */
  async collect(options: CollectOptions = {}): Promise<Collected> {
    if (options.dryRun === true) return await this.#run(options);
    const turn = await this.#cluster.alone({ name: DUTY }, (lost) => this.#run(until(lost, options)));
    if ("result" in turn) return turn.result;
    throw new LayerdError("UNAVAILABLE", "another server is collecting garbage already");
  }

  /** The same, unless another server is at it, or it was done less than `every` milliseconds ago. */
  async collectIfDue(every: number, options: CollectOptions): Promise<Turn<Collected>> {
    return await this.#cluster.alone({ name: DUTY, every }, (lost) => this.#run(until(lost, options)));
  }

  async #run(options: CollectOptions): Promise<Collected> {
    if (this.#running !== undefined)
      throw new LayerdError("UNAVAILABLE", "garbage is being collected already");
    const started = performance.now();
    this.#running = this.#collect(options);
    try {
      const collected = await this.#running;
      if (options.dryRun !== true) this.record.add(collected, started);
      return collected;
    } catch (error) {
      if (options.dryRun !== true && options.signal?.aborted !== true) this.record.failed += 1;
      throw error;
    } finally {
      this.#running = undefined;
    }
  }

  get #holds(): Holds {
    return this.#cluster.holds;
  }

  /** Resolves when no collection runs here. Whoever wants one to end aborts it. */
  async idle(): Promise<void> {
    await this.#running?.catch(() => undefined);
  }

  async #collect(options: CollectOptions): Promise<Collected> {
    const tally = { tags: 0, ...nothingRemoved(), kept: 0, keptBytes: 0 };
    const run = { options, tally, pace: new Pace(options.signal) };
    const known = options.nothingPromised === true || this.#index.remembersPromises;
    const waitsUntil = known ? 0 : this.#startedAt + this.#options.grace;
    const waits = waitsUntil > Date.now();
    await this.#holds.remember();
    try {
      if (this.#damaged !== undefined) await this.#requireIntact(this.#damaged);
      const needed = await this.#blobsOfUploads(run);
      let repositories = 0;
      for await (const repository of everyRepository(this.#index)) {
        repositories += 1;
        await this.#requireIntact(repository);
        const leaving = waits ? NOTHING : await this.#inIndex.collect(repository, run);
        await this.#mark(repository, needed, leaving, run);
        await this.#tellStays(repository, leaving, run);
      }
      // Without any, it is rather the index that is missing than the need.
      if (repositories > 0) await this.#collectBlobs(needed, run);
      await this.#emptyTrash(needed, run);
      await this.#emptyQuarantine(run);
      return waits ? { ...tally, waitsUntil: new Date(waitsUntil).toISOString() } : tally;
    } finally {
      this.#holds.forget();
    }
  }

  /** What a damaged part of the index needed, nobody knows: no bytes leave, and nothing else once that is known. */
  async #requireIntact(repository: RepositoryName): Promise<void> {
    if (await this.#index.intact(repository)) {
      this.#damaged = undefined;
      return;
    }
    this.#damaged = repository;
    throw new LayerdError("UNAVAILABLE", `nothing is collected while the index of ${repository} is damaged`, {
      detail: { repository },
    });
  }

  /** Published, and not linked yet: the process died between the two, or the link failed. Their clients go on. */
  async #blobsOfUploads({ pace }: Run): Promise<DigestSet> {
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
    { tally, pace }: Run,
  ): Promise<void> {
    const keep = ({ digest, size }: BlobStat) => {
      if (!leaving.has(digest) && needed.add(digest)) tally.keptBytes += size;
    };
    for await (const manifest of everyManifest(this.#index, repository, pace)) keep(manifest);
    for await (const blob of everyBlob(this.#index, repository, pace)) keep(blob);
  }

  async #tellStays(
    repository: RepositoryName,
    leaving: ReadonlySet<Digest>,
    { options, pace }: Run,
  ): Promise<void> {
    const { stays, nothingPromised = false } = options;
    if (stays === undefined) return;
    const from = { index: this.#index, explainer: this.#explainer };
    for await (const stay of staysIn(from, repository, leaving, { pace, nothingPromised })) await stays(stay);
  }

  async #collectBlobs(needed: DigestSet, run: Run): Promise<void> {
    const { options, tally } = run;
    await inGroups(this.#unneeded(needed, run), DISCARDED_AT_ONCE, async (digest) => {
      const stat = await this.#discard(digest, options);
      if (stat === undefined) {
        await this.#tellHeld(digest, options);
        return;
      }
      tally.kept -= 1;
      tally.blobs += 1;
      tally.bytes += stat.size;
      this.#tell({ what: "blob", digest, size: stat.size, why: "no repository has it" }, options);
    });
  }

  async #discard(digest: Digest, { dryRun }: CollectOptions): Promise<BlobStat | undefined> {
    const discard = () => (dryRun === true ? this.#blobs.stat(digest) : this.#blobs.discard(digest));
    return await this.#holds.unlessHeld(digest, discard, () => this.#blobs.restore(digest));
  }

  async *#unneeded(needed: DigestSet, { tally, pace }: Run): AsyncGenerator<Digest> {
    for await (const digest of this.#blobs.list()) {
      await pace.step();
      tally.kept += 1;
      if (!needed.has(digest)) yield digest;
    }
  }

  /**
   * What is needed goes back to where it was: a process that had lost its locks, and did not know yet, may have
   * discarded it.
   */
  async #emptyTrash(needed: DigestSet, { options, tally, pace }: Run): Promise<void> {
    const before = Date.now() - this.#options.trashTtl;
    for await (const { digest, size, discardedAt } of this.#blobs.discarded()) {
      await pace.step();
      if (needed.has(digest) && (await this.#blobs.stat(digest)) === undefined) {
        if (options.dryRun !== true) await this.#blobs.restore(digest);
        continue;
      }
      if (discardedAt.getTime() > before) {
        await options.stays?.(this.#waiting("trash", { digest, size }, discardedAt));
        continue;
      }
      if (options.dryRun !== true) await this.#blobs.purge(digest);
      tally.purged += 1;
      tally.purgedBytes += size;
      this.#tell({ what: "trash", digest, size, why: "its time in the trash is over" }, options);
    }
  }

  async #emptyQuarantine({ options, tally, pace }: Run): Promise<void> {
    const before = Date.now() - this.#options.trashTtl;
    for await (const { digest, size, quarantinedAt } of this.#blobs.quarantined()) {
      await pace.step();
      if (quarantinedAt.getTime() > before) {
        await options.stays?.(this.#waiting("quarantine", { digest, size }, quarantinedAt));
        continue;
      }
      if (options.dryRun !== true) await this.#blobs.dispose(digest);
      tally.disposed += 1;
      tally.disposedBytes += size;
      this.#tell({ what: "quarantine", digest, size, why: "its time in quarantine is over" }, options);
    }
  }

  async #tellHeld(digest: Digest, { stays }: CollectOptions): Promise<void> {
    const stat = stays && (await this.#blobs.stat(digest));
    if (stat === undefined) return;
    await stays?.({ what: "stays", as: "bytes", ...stat, why: "it is just being pushed, or has just been" });
  }

  #waiting(as: "trash" | "quarantine", { digest, size }: BlobStat, since: Date): Stay {
    const until = new Date(since.getTime() + this.#options.trashTtl).toISOString();
    return {
      what: "stays",
      as,
      digest,
      size,
      why: `it is in ${as === "trash" ? "the trash" : as} until ${until}`,
    };
  }

  #tell(removed: Removed, { dryRun, report }: CollectOptions): void {
    report?.(removed);
    if (dryRun !== true) this.#options.onRemoved?.(removed);
  }
}

/** Ends also when another server may have taken over. */
function until(lost: AbortSignal, options: CollectOptions): CollectOptions {
  const { signal } = options;
  return { ...options, signal: signal === undefined ? lost : AbortSignal.any([signal, lost]) };
}
