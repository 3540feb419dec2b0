import type { BlobReader } from "../blobs/port.ts";
import type { Digest } from "../core/digest.ts";
import { isLayerdError, LayerdError } from "../core/errors.ts";
import type { RepositoryName } from "../core/name.ts";
import type { BlobEntry, Index, Unpacked } from "../index/port.ts";
import { by, type Place, unknownLayer } from "./layers.ts";
import { unpackLayer } from "./unpack/unpack.ts";

export interface UnpackLimits {
  /** Bytes a layer may unpack to. */
  readonly maxSize: number;
  /** Milliseconds that unpacking one layer may take. */
  readonly timeout: number;
}

// Unpacking keeps a processor busy; more at once would only starve the transfers.
const AT_ONCE = 2;

/**
 * What layers unpack to (image-spec config.md §Layer DiffID). Computed at the first need by streaming through
 * the layer, remembered in the index, never computed twice, not even by two requests at the same time.
 */
export class DiffIds {
  readonly #blobs: BlobReader;
  readonly #index: Index;
  readonly #limits: UnpackLimits;
  readonly #running = new Map<Digest, Promise<Unpacked>>();
  readonly #waiting: (() => void)[] = [];
  #free = AT_ONCE;

  constructor(stores: { blobs: BlobReader; index: Index }, limits: UnpackLimits) {
    this.#blobs = stores.blobs;
    this.#index = stores.index;
    this.#limits = limits;
  }

  /**
   * @throws LAYER_INVALID when the layer is no tar, REQUEST_TOO_LARGE when it unpacks to more than is
   * allowed or takes too long, BLOB_UNKNOWN when its bytes are gone.
   */
  async of(place: Place, entry: BlobEntry): Promise<Unpacked> {
    if (entry.unpacked !== undefined) return entry.unpacked;
    const unpacked = await this.#compute(entry.digest);
    await this.#remember(place, entry.digest, unpacked);
    return unpacked;
  }

  async #remember(place: Place, digest: Digest, unpacked: Unpacked): Promise<void> {
    const known: RepositoryName = place.repository;
    await this.#index.apply(known, {
      ...by(place),
      changes: [{ type: "blobUnpacked", digest, unpacked }],
    });
  }

  #compute(digest: Digest): Promise<Unpacked> {
    const running = this.#running.get(digest);
    if (running !== undefined) return running;
    const started = this.#unpack(digest).finally(() => this.#running.delete(digest));
    this.#running.set(digest, started);
    return started;
  }

  async #unpack(digest: Digest): Promise<Unpacked> {
    await this.#takeTurn();
    try {
      return await this.#read(digest);
    } catch (error) {
      if (isLayerdError(error)) {
        throw new LayerdError(error.code, `${digest}: ${error.message}`, {
          detail: error.detail,
          cause: error,
        });
      }
      if (error instanceof Error && error.name === "TimeoutError") throw this.#tookTooLong(digest);
      throw error;
    } finally {
      this.#endTurn();
    }
  }

  async #read(digest: Digest): Promise<Unpacked> {
    const handle = await this.#blobs.open(digest);
    if (handle === undefined) throw unknownLayer(digest);
    try {
      const signal = AbortSignal.timeout(this.#limits.timeout);
      return await unpackLayer(handle.stream(), { maxSize: this.#limits.maxSize, signal });
    } finally {
      await handle.close();
    }
  }

  #tookTooLong(digest: Digest): LayerdError {
    const seconds = this.#limits.timeout / 1000;
    return new LayerdError("REQUEST_TOO_LARGE", `${digest} did not unpack within ${seconds} s`, {
      detail: { digest, setting: "unpackTimeout" },
    });
  }

  async #takeTurn(): Promise<void> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #endTurn(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}
