import { buffer } from "node:stream/consumers";
import type { BlobStore } from "../blobs/port.ts";
import type { Digest } from "../core/digest.ts";
import { SNIFF_LENGTH, sniffLayer } from "../core/media-type.ts";
import type { RepositoryName } from "../core/name.ts";
import type { Index } from "../index/port.ts";
import type { Layers, Place, StoredLayer } from "./layers.ts";

/** Makes blobs of one repository visible in another, without their bytes (distribution-spec §Mounting). */
export class Mounts {
  readonly #blobs: BlobStore;
  readonly #index: Index;
  readonly #layers: Layers;

  constructor(stores: { blobs: BlobStore; index: Index }, layers: Layers) {
    this.#blobs = stores.blobs;
    this.#index = stores.index;
    this.#layers = layers;
  }

  /** Mounts a blob that `from` has; `undefined` when it has not. */
  async from(place: Place, digest: Digest, from: RepositoryName): Promise<StoredLayer | undefined> {
    this.#layers.limit(place.repository, undefined);
    using hold = this.#layers.holds.open();
    await hold.add(digest);
    const entry = await this.#index.blob(from, digest);
    if (entry === undefined) return undefined;
    this.#layers.limit(place.repository, entry.size);
    if ((await this.#blobs.stat(digest))?.size !== entry.size) return undefined;
    return await this.#layers.link(place, entry, { mediaType: entry.mediaType, mount: { from } });
  }

  /**
   * Mounts a blob wherever it comes from: for registries where everybody may read everything, and to know a
   * digest is all it takes. `undefined` when the bytes are not here.
   */
  async fromAnywhere(place: Place, digest: Digest): Promise<StoredLayer | undefined> {
    using hold = this.#layers.holds.open();
    await hold.add(digest);
    const handle = await this.#blobs.open(digest);
    if (handle === undefined) return undefined;
    try {
      this.#layers.limit(place.repository, handle.size);
      const head = await buffer(handle.stream({ start: 0, end: Math.min(SNIFF_LENGTH, handle.size) }));
      const mount = { from: undefined };
      return await this.#layers.link(place, handle, { mediaType: sniffLayer(head), mount });
    } finally {
      await handle.close();
    }
  }
}
