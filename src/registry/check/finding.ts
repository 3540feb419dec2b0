import type { Digest } from "../../core/digest.ts";
import type { Descriptor } from "../../core/image.ts";
import type { ParsedManifest } from "../../core/manifest.ts";
import type { RepositoryName } from "../../core/name.ts";
import type { Change, Index } from "../../index/port.ts";

/** A manifest or a blob that was found among the blobs. */
export interface Found {
  readonly digest: Digest;
  readonly mediaType: string;
  /** Blobs and manifests that it names and that are not stored. */
  readonly missing: readonly Digest[];
}

export interface FindOptions {
  /** Tells what would be found, and changes nothing. */
  readonly dryRun?: boolean;
  /** Told of every manifest that was found. */
  readonly report?: (found: Found) => void;
  readonly signal?: AbortSignal;
}

export interface Recovered {
  readonly manifests: number;
  /** That were linked: what the manifests name, as far as it is stored. */
  readonly blobs: number;
}

const WHO = "recovery";

/** What is being put into one repository. */
export class Finding {
  readonly repository: RepositoryName;
  readonly tally: { -readonly [K in keyof Recovered]: number } = { manifests: 0, blobs: 0 };
  readonly #index: Index;
  readonly #options: FindOptions;
  readonly #linked: (manifest: ParsedManifest) => readonly Descriptor[];
  /** What a dry run would have put there. */
  readonly #put = new Set<Digest>();

  /** @param linked which of the blobs that a manifest names come with it, if they are stored. */
  constructor(
    index: Index,
    repository: RepositoryName,
    options: FindOptions,
    linked: (manifest: ParsedManifest) => readonly Descriptor[],
  ) {
    this.#index = index;
    this.repository = repository;
    this.#options = options;
    this.#linked = linked;
  }

  linkedWith(manifest: ParsedManifest): readonly Descriptor[] {
    return this.#linked(manifest);
  }

  async hasManifest(digest: Digest): Promise<boolean> {
    return this.#put.has(digest) || (await this.#index.manifest(this.repository, digest)) !== undefined;
  }

  async hasBlob(digest: Digest): Promise<boolean> {
    return this.#put.has(digest) || (await this.#index.blob(this.repository, digest)) !== undefined;
  }

  /** Whether a dry run has found it already, for whichever of both. */
  wouldHave(digest: Digest): boolean {
    return this.#put.has(digest);
  }

  async put(changes: readonly Change[], found?: Found): Promise<void> {
    for (const change of changes) {
      if (change.type === "manifestPut") this.#count("manifests", change.manifest.digest);
      if (change.type === "blobLinked") this.#count("blobs", change.digest);
    }
    if (this.#options.dryRun !== true) await this.#index.apply(this.repository, { who: WHO, changes });
    if (found !== undefined) this.#options.report?.(found);
  }

  #count(what: keyof Recovered, digest: Digest): void {
    this.tally[what] += 1;
    if (this.#options.dryRun === true) this.#put.add(digest);
  }
}
