import type { BlobStore } from "../../blobs/port.ts";
import type { Digest } from "../../core/digest.ts";
import type { RepositoryName } from "../../core/name.ts";
import type { Rules } from "../../core/rules.ts";
import type { BlobEntry, Index, ManifestEntry } from "../../index/port.ts";
import { Pace } from "../gc/pace.ts";
import { everyBlob, everyManifest, everyRepository, everyTag } from "../gc/walk.ts";
import { readManifest } from "../read-manifest.ts";
import { type Fault, makeFault } from "./fault.ts";

export interface CheckOptions {
  /** Told of every fault. */
  readonly report?: (fault: Fault) => void;
  readonly signal?: AbortSignal;
}

/** How many of each were looked at, and how many faults there are. */
export interface Checked {
  readonly repositories: number;
  readonly manifests: number;
  readonly blobs: number;
  readonly tags: number;
  readonly faults: number;
}

interface Checking {
  readonly repository: RepositoryName;
  readonly tally: { -readonly [K in keyof Checked]: number };
  readonly pace: Pace;
  readonly report: (fault: Fault) => void;
}

/**
 * Holds the index against the store, and changes nothing. It may run while requests are answered: what seems wrong is
 * looked at once more in both, because something may just have come or gone.
 */
export class Checker {
  readonly #blobs: BlobStore;
  readonly #index: Index;
  readonly #rules: Rules;

  constructor(stores: { readonly blobs: BlobStore; readonly index: Index }, rules: Rules) {
    this.#blobs = stores.blobs;
    this.#index = stores.index;
    this.#rules = rules;
  }

  async check(options: CheckOptions = {}): Promise<Checked> {
    const tally = { repositories: 0, manifests: 0, blobs: 0, tags: 0, faults: 0 };
    const pace = new Pace(options.signal);
    const report = (fault: Fault) => {
      tally.faults += 1;
      options.report?.(fault);
    };
    for await (const repository of everyRepository(this.#index)) {
      await pace.step();
      tally.repositories += 1;
      const checking = { repository, tally, pace, report };
      if (!(await this.#index.intact(repository))) report(makeFault(repository, "index-damaged"));
      await this.#checkManifests(checking);
      await this.#checkBlobs(checking);
      await this.#checkTags(checking);
    }
    return tally;
  }

  async #checkManifests(checking: Checking): Promise<void> {
    const { repository, tally, pace, report } = checking;
    const { sparse } = this.#rules.for(repository);
    for await (const manifest of everyManifest(this.#index, repository, pace)) {
      tally.manifests += 1;
      const { digest } = manifest;
      const wrong = await this.#bytesFault(manifest, () => this.#index.manifest(repository, digest));
      if (wrong !== undefined) report(makeFault(repository, `manifest-${wrong}`, { digest }));
      if (!sparse) await this.#checkNamed(manifest, checking);
    }
  }

  async #checkBlobs({ repository, tally, pace, report }: Checking): Promise<void> {
    for await (const blob of everyBlob(this.#index, repository, pace)) {
      tally.blobs += 1;
      const { digest } = blob;
      const wrong = await this.#bytesFault(blob, () => this.#index.blob(repository, digest));
      if (wrong !== undefined) report(makeFault(repository, `blob-${wrong}`, { digest }));
    }
  }

  async #checkTags({ repository, tally, pace, report }: Checking): Promise<void> {
    for await (const { tag, digest } of everyTag(this.#index, repository, pace)) {
      tally.tags += 1;
      if ((await this.#index.manifest(repository, digest)) !== undefined) continue;
      // It may have gone, with its tag.
      const now = await this.#index.tag(repository, tag);
      if (now === undefined || now.digest !== digest) continue;
      if ((await this.#index.manifest(repository, digest)) === undefined) {
        report(makeFault(repository, "tag-dangling", { tag, digest }));
      }
    }
  }

  /** What is wrong with the bytes of an entry, as long as `entryNow` tells that it is there. */
  async #bytesFault(
    entry: BlobEntry | ManifestEntry,
    entryNow: () => ReturnType<Index["blob"]> | ReturnType<Index["manifest"]>,
  ): Promise<"missing" | "size" | undefined> {
    if ((await this.#sizeOf(entry.digest)) === entry.size) return undefined;
    const now = await entryNow();
    if (now === undefined) return undefined;
    const size = await this.#sizeOf(entry.digest);
    if (size === now.size) return undefined;
    return size === undefined ? "missing" : "size";
  }

  /** As it is stored, past the memory of what is in use, which a walk over everything would wash out. */
  async #sizeOf(digest: Digest): Promise<number | undefined> {
    const inspected = await this.#blobs.inspect(digest);
    await inspected?.handle.close();
    return inspected?.handle.size;
  }

  async #checkNamed(manifest: ManifestEntry, checking: Checking): Promise<void> {
    const { repository, report } = checking;
    const blobs = await this.#absent(manifest.blobs, (digest) => this.#index.blob(repository, digest));
    const children = await this.#absent(manifest.manifests ?? [], (digest) =>
      this.#index.manifest(repository, digest),
    );
    if (blobs.length + children.length === 0) return;
    // Its blobs may only have gone because it has.
    if ((await this.#index.manifest(repository, manifest.digest)) === undefined) return;
    const about = { manifest: manifest.digest };
    const foreign = blobs.length === 0 ? [] : await this.#foreignBlobs(manifest.digest);
    for (const digest of blobs) {
      if (!foreign.includes(digest)) report(makeFault(repository, "blob-unlinked", { digest, ...about }));
    }
    for (const digest of children) report(makeFault(repository, "child-missing", { digest, ...about }));
  }

  async #absent(
    digests: readonly Digest[],
    find: (digest: Digest) => ReturnType<Index["blob"]> | ReturnType<Index["manifest"]>,
  ): Promise<Digest[]> {
    const absent: Digest[] = [];
    for (const digest of digests) if ((await find(digest)) === undefined) absent.push(digest);
    return absent;
  }

  /** Layers that are not meant to be here: only the manifest itself tells them from the others. */
  async #foreignBlobs(digest: Digest): Promise<readonly Digest[]> {
    const inspected = await this.#blobs.inspect(digest);
    if (inspected === undefined) return [];
    try {
      const { foreignBlobs = [] } = (await readManifest(inspected.handle))?.parsed ?? {};
      return foreignBlobs.map((blob) => blob.digest);
    } finally {
      await inspected.handle.close();
    }
  }
}
