import { buffer } from "node:stream/consumers";
import type { BlobReader } from "../blobs/port.ts";
import type { Digest } from "../core/digest.ts";
import type { Descriptor } from "../core/image.ts";
import type { RepositoryName } from "../core/name.ts";
import type { Index, ManifestEntry, ReferrersRequest } from "../index/port.ts";

// Manifests on one page, and bytes that their descriptors may have together: the answer is an image index, for
// which clients expect the limit of any manifest, 4 MiB (distribution-spec §Pushing Manifests).
const MOST = 1000;
const BYTES = 4 * 1024 * 1024 - 1024;

export interface ReferrersPage {
  readonly descriptors: readonly Descriptor[];
  /** Where the next page begins. */
  readonly next: number | undefined;
}

/** What refers to a manifest, described as distribution-spec §Listing Referrers wants it. */
export class Referrers {
  readonly #blobs: BlobReader;
  readonly #index: Index;

  constructor(stores: { blobs: BlobReader; index: Index }) {
    this.#blobs = stores.blobs;
    this.#index = stores.index;
  }

  /** As much as fits into one image index; at least one descriptor when there are any. */
  async page(
    repository: RepositoryName,
    subject: Digest,
    request: Omit<ReferrersRequest, "limit">,
  ): Promise<ReferrersPage> {
    const { items, next } = await this.#index.referrers(repository, subject, { limit: MOST, ...request });
    const descriptors: Descriptor[] = [];
    let bytes = 0;
    let last: ManifestEntry | undefined;
    for (const entry of items) {
      const descriptor = await this.#describe(entry);
      bytes += Buffer.byteLength(JSON.stringify(descriptor)) + 1;
      if (last !== undefined && bytes > BYTES) return { descriptors, next: last.position };
      descriptors.push(descriptor);
      last = entry;
    }
    return { descriptors, next };
  }

  async #describe(entry: ManifestEntry): Promise<Descriptor> {
    const { mediaType, digest, size, artifactType } = entry;
    const annotations = entry.annotationsInManifest ? await this.#annotations(digest) : entry.annotations;
    return {
      mediaType,
      digest,
      size,
      ...(artifactType === undefined ? {} : { artifactType }),
      ...(annotations === undefined ? {} : { annotations }),
    };
  }

  /** Too many to be kept in the index. The manifest was checked when it came. */
  async #annotations(digest: Digest): Promise<Readonly<Record<string, string>> | undefined> {
    const handle = await this.#blobs.open(digest);
    if (handle === undefined) return undefined;
    try {
      return JSON.parse((await buffer(handle.stream())).toString()).annotations;
    } finally {
      await handle.close();
    }
  }
}
