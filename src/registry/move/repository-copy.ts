import type { BlobStore } from "../../blobs/port.ts";
import type { Hold, Holds } from "../../cluster/port.ts";
import type { Digest } from "../../core/digest.ts";
import type { RepositoryName } from "../../core/name.ts";
import type { Rules } from "../../core/rules.ts";
import type {
  BlobEntry,
  Change,
  Index,
  ManifestEntry,
  NewManifest,
  Requirement,
  TagEntry,
} from "../../index/port.ts";
import type { DigestSet } from "../gc/digest-set.ts";
import { linkChange } from "../layers.ts";
import { eachOf } from "./each.ts";
import { Known } from "./known.ts";
import { type Counts, type MovedRepository, type MoveFault, noCounts } from "./moved.ts";
import { byName, Listing } from "./pages.ts";
import type { Source } from "./source.ts";
import type { Transfer, Wrong } from "./transfer.ts";

/** What a whole pass goes by. */
export interface Pass {
  readonly source: Source;
  readonly target: { readonly blobs: BlobStore; readonly index: Index; readonly holds: Holds };
  readonly transfer: Transfer;
  readonly rules: Rules;
  readonly dryRun: boolean;
  readonly overwriteTags: boolean;
  readonly fault: (fault: MoveFault) => void;
  readonly signal: AbortSignal | undefined;
  /** What could not be copied for one repository is not tried again for another. */
  readonly wrong: Map<Digest, Wrong>;
  /** Whose bytes a dry run would have copied. */
  readonly promised: DigestSet;
}

const WHO = "migrate-store";
const AT_A_TIME = 8;

/**
 * Copies one repository, in the order in which its entries came. What is linked, put and tagged by one page is one
 * transaction; until it is durable, the bytes are held.
 */
export class RepositoryCopy {
  readonly #pass: Pass;
  readonly #repository: RepositoryName;
  readonly #known: Known;
  readonly #counts: Counts = noCounts();

  private constructor(pass: Pass, repository: RepositoryName, known: Known) {
    this.#pass = pass;
    this.#repository = repository;
    this.#known = known;
  }

  static async run(pass: Pass, repository: RepositoryName): Promise<MovedRepository> {
    const known = await Known.of(pass.target.index, repository);
    return await new RepositoryCopy(pass, repository, known).#run();
  }

  async #run(): Promise<MovedRepository> {
    const { source, target } = this.#pass;
    const repository = this.#repository;
    const created = !(await target.index.exists(repository));
    if (!(await source.intact(repository))) {
      this.#pass.fault({ what: "index-damaged", repository, why: "a part of the index cannot be read" });
    }
    // The manifests before the blobs: what is pushed meanwhile comes with the next pass, layers and all.
    const manifests = await Listing.of((page) => source.manifests(repository, page));
    const blobs = await Listing.of((page) => source.blobs(repository, page));
    for await (const page of blobs.oldestFirst()) await this.#copyBlobs(page);
    for await (const page of manifests.oldestFirst()) await this.#copyManifests(page);
    for await (const page of byName((after) => source.tags(repository, after))) {
      await this.#copyTags(page, manifests.end);
    }
    if (created) await this.#found();
    return { repository, created, ...this.#counts };
  }

  async #copyBlobs(page: readonly BlobEntry[]): Promise<void> {
    const lacking = page.filter((entry) => !this.#known.hasBlob(entry));
    const brought = await this.#bring(lacking, "blob", (entry) => [
      linkChange(entry, entry),
      ...(entry.unpacked === undefined
        ? []
        : [{ type: "blobUnpacked", digest: entry.digest, unpacked: entry.unpacked } as const]),
    ]);
    for (const entry of brought) this.#known.addBlob(entry);
    this.#counts.blobs += brought.length;
  }

  async #copyManifests(page: readonly ManifestEntry[]): Promise<void> {
    const lacking = page.filter(({ digest }) => !this.#known.hasManifest(digest));
    const brought = await this.#bring(lacking, "manifest", (entry) => [
      { type: "manifestPut", manifest: recordOf(entry) },
    ]);
    for (const { digest } of brought) this.#known.addManifest(digest);
    this.#counts.manifests += brought.length;
  }

  /** Brings the bytes of entries, then the entries. @returns those that came */
  async #bring<T extends BlobEntry | ManifestEntry>(
    lacking: readonly T[],
    as: "blob" | "manifest",
    changesOf: (entry: T) => Change[],
  ): Promise<T[]> {
    if (lacking.length === 0) return [];
    using hold = this.#pass.target.holds.open();
    const here = await eachOf(lacking, AT_A_TIME, (entry) => this.#bringBytes(entry, as, hold));
    const brought = lacking.filter((_, at) => here[at]);
    await this.#apply(brought.flatMap(changesOf));
    return brought;
  }

  async #bringBytes(entry: BlobEntry | ManifestEntry, as: "blob" | "manifest", hold: Hold): Promise<boolean> {
    const { digest, size } = entry;
    const { target, transfer, dryRun, wrong, promised } = this.#pass;
    await hold.add(digest);
    if ((await target.blobs.stat(digest))?.size === size) return true;
    if (dryRun && !promised.add(digest)) return true;
    const why = dryRun ? undefined : (wrong.get(digest) ?? (await transfer.copy(digest, size)));
    if (why === undefined) {
      this.#counts.copied += 1;
      this.#counts.bytes += size;
      return true;
    }
    wrong.set(digest, why);
    // It may have been deleted meanwhile, with its bytes.
    const now = await this.#pass.source[as](this.#repository, digest);
    if (now !== undefined) this.#pass.fault({ ...why, repository: this.#repository, digest, size, as });
    return false;
  }

  /** @param end below which the manifests are that came in this pass */
  async #copyTags(page: readonly TagEntry[], end: number): Promise<void> {
    const changes: Change[] = [];
    const requires: Requirement[] = [];
    const lacking = page.filter((entry) => !this.#known.hasTag(entry));
    for (const { tag, digest } of lacking) {
      if (!(await this.#mayTag({ tag, digest }, end))) continue;
      const is = (await this.#pass.target.index.tag(this.#repository, tag))?.digest ?? null;
      if (is !== null && !this.#mayMove({ tag, digest }, is)) continue;
      changes.push({ type: "tagSet", tag, digest });
      requires.push({ type: "tagAt", tag, digest: is });
      this.#counts.tags += 1;
    }
    await this.#apply(changes, requires);
  }

  /** Whether the manifest is in the target. */
  async #mayTag({ tag, digest }: Pick<TagEntry, "tag" | "digest">, end: number): Promise<boolean> {
    if (this.#known.hasManifest(digest)) return true;
    const { source, fault } = this.#pass;
    const manifest = await source.manifest(this.#repository, digest);
    const now = await source.tag(this.#repository, tag);
    // What was pushed, moved or deleted meanwhile is for the next pass.
    if (now?.digest !== digest || (manifest !== undefined && manifest.position >= end)) return false;
    const why = "the manifest that it is at is not in the target";
    fault({ what: "tag-dangling", repository: this.#repository, tag, digest, why });
    return false;
  }

  #mayMove({ tag, digest }: Pick<TagEntry, "tag" | "digest">, is: Digest): boolean {
    const { overwriteTags, rules, fault } = this.#pass;
    const immutable = rules.for(this.#repository).isImmutable(tag);
    if (overwriteTags && !immutable) return true;
    const why = immutable
      ? "the target has it at another digest, and there it is immutable"
      : "the target has it at another digest";
    fault({ what: "tag-conflict", repository: this.#repository, tag, digest, is, why });
    return false;
  }

  /** Makes a repository in which nothing is: it comes into being with a change, and stays. */
  async #found(): Promise<void> {
    if (this.#pass.dryRun || (await this.#pass.target.index.exists(this.#repository))) return;
    const nothing = { digest: NOTHING, size: 0, mediaType: "application/octet-stream" };
    await this.#apply([linkChange(nothing, nothing), { type: "blobUnlinked", digest: NOTHING }]);
  }

  async #apply(changes: readonly Change[], requires: readonly Requirement[] = []): Promise<void> {
    this.#pass.signal?.throwIfAborted();
    if (this.#pass.dryRun || changes.length === 0) return;
    await this.#pass.target.index.apply(this.#repository, { who: WHO, changes, requires });
  }
}

/** Of no bytes. */
const NOTHING = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" as Digest;

function recordOf(entry: ManifestEntry): NewManifest {
  const { position: _place, createdAt: _at, untaggedAt: _lost, subjectGoneAt: _gone, ...record } = entry;
  return record;
}
