import { buffer } from "node:stream/consumers";
import type { BlobHandle, BlobStore } from "../../blobs/port.ts";
import { algorithmOf, type Digest, digestOf } from "../../core/digest.ts";
import type { Descriptor } from "../../core/image.ts";
import type { ParsedManifest } from "../../core/manifest.ts";
import type { RepositoryName } from "../../core/name.ts";
import type { Change, Index } from "../../index/port.ts";
import { DigestSet } from "../gc/digest-set.ts";
import { Pace } from "../gc/pace.ts";
import { everyBlob, everyManifest, everyRepository } from "../gc/walk.ts";
import type { Hold, Holds } from "../holds.ts";
import { linkChange } from "../layers.ts";
import { recordOf } from "../manifest-record.ts";
import { readManifest } from "../read-manifest.ts";

/** A manifest that was found among the blobs. */
export interface Found {
  readonly digest: Digest;
  readonly mediaType: string;
  /** Blobs and manifests that it names and that are not stored. */
  readonly missing: readonly Digest[];
}

export interface RecoverOptions {
  /** Told of every manifest that was found. */
  readonly report?: (found: Found) => void;
  readonly signal?: AbortSignal;
}

export interface Recovered {
  readonly manifests: number;
  /** That were linked: what the manifests name, as far as it is stored. */
  readonly blobs: number;
}

type Tally = { -readonly [K in keyof Recovered]: number };

const WHO = "recovery";

/** Finds manifests that no repository knows any more among the blobs, where their bytes have always been. */
export class Recovery {
  readonly #blobs: BlobStore;
  readonly #index: Index;
  readonly #holds: Holds;

  constructor(stores: { blobs: BlobStore; index: Index; holds: Holds }) {
    this.#blobs = stores.blobs;
    this.#index = stores.index;
    this.#holds = stores.holds;
  }

  /**
   * Puts what is found into a repository. Nothing that is in an index is changed. Tags are no part of a manifest, and
   * stay unknown.
   */
  async recover(repository: RepositoryName, options: RecoverOptions = {}): Promise<Recovered> {
    const pace = new Pace(options.signal);
    const tally = { manifests: 0, blobs: 0 };
    const known = await this.#known(pace);
    for await (const digest of this.#blobs.list()) {
      await pace.step();
      if (!known.has(digest)) await this.#recover(repository, digest, tally, options);
    }
    return tally;
  }

  async #known(pace: Pace): Promise<DigestSet> {
    const known = new DigestSet();
    for await (const repository of everyRepository(this.#index)) {
      for await (const { digest } of everyManifest(this.#index, repository, pace)) known.add(digest);
      for await (const { digest } of everyBlob(this.#index, repository, pace)) known.add(digest);
    }
    return known;
  }

  /** With the manifests that it lists, which other repositories may have too: an index without them is of no use. */
  async #recover(
    repository: RepositoryName,
    digest: Digest,
    tally: Tally,
    options: RecoverOptions,
  ): Promise<void> {
    if ((await this.#index.manifest(repository, digest)) !== undefined) return;
    using hold = this.#holds.open();
    await hold.add(digest);
    const manifest = await this.#read(digest);
    if (manifest === undefined) return;
    const { parsed, size } = manifest;
    for (const child of parsed.manifests) await this.#recover(repository, child.digest, tally, options);
    const { links, missing } = await this.#links(repository, parsed, hold);
    const record = recordOf({ digest, size }, parsed);
    const changes = [...links, { type: "manifestPut", manifest: record } as const];
    await this.#index.apply(repository, { who: WHO, changes });
    tally.manifests += 1;
    tally.blobs += links.length;
    options.report?.({ digest, mediaType: parsed.mediaType, missing });
  }

  /** `undefined` when it is not there, damaged, or no manifest. */
  async #read(digest: Digest): Promise<{ parsed: ParsedManifest; size: number } | undefined> {
    const inspected = await this.#blobs.inspect(digest);
    if (inspected === undefined) return undefined;
    const { handle } = inspected;
    try {
      if (!(await looksLikeJson(handle))) return undefined;
      const manifest = await readManifest(handle);
      if (manifest === undefined || digestOf(manifest.bytes, algorithmOf(digest)) !== digest)
        return undefined;
      return { parsed: manifest.parsed, size: handle.size };
    } finally {
      await handle.close();
    }
  }

  async #links(
    repository: RepositoryName,
    { blobs, foreignBlobs, manifests }: ParsedManifest,
    hold: Hold,
  ): Promise<{ links: Change[]; missing: Digest[] }> {
    const links: Change[] = [];
    const missing: Digest[] = [];
    for (const blob of [...blobs, ...foreignBlobs]) {
      await hold.add(blob.digest);
      if ((await this.#index.blob(repository, blob.digest)) !== undefined) continue;
      if (await this.#isStored(blob)) links.push(linkChange(blob, blob));
      else if (blobs.includes(blob)) missing.push(blob.digest);
    }
    for (const { digest } of manifests) {
      if ((await this.#index.manifest(repository, digest)) === undefined) missing.push(digest);
    }
    return { links, missing };
  }

  async #isStored({ digest, size }: Descriptor): Promise<boolean> {
    return (await this.#blobs.stat(digest))?.size === size;
  }
}

/** Most blobs are no manifests, and their first byte tells. */
async function looksLikeJson(handle: BlobHandle): Promise<boolean> {
  if (handle.size === 0) return false;
  const head = await buffer(handle.stream({ start: 0, end: 1 }));
  return head.toString("latin1") === "{";
}
