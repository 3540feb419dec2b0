import { randomUUID } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { UploadId } from "../blobs/port.ts";
import type { Digest, DigestAlgorithm } from "../core/digest.ts";
import { LayerdError } from "../core/errors.ts";
import type { Incoming, LayerClaims, Layers, Place, StoredLayer } from "./layers.ts";
import { type AppendRequest, offsetMismatch, type UploadState } from "./upload-state.ts";
import { type Uploads, WORTH_RESUMING } from "./uploads.ts";

// Sessions that were opened and have not been used; most are used at once.
const ANNOUNCED_KEPT = 10_000;

/** A part of a blob. */
export interface Part {
  /** Where it begins; `undefined` when the client did not say: where the upload stands. */
  readonly at: number | undefined;
  /** Bytes, when the client announced them. */
  readonly length: number | undefined;
}

interface Announced {
  readonly repository: Place["repository"];
  readonly who: string;
  readonly claims: LayerClaims;
  /** Resolves when the session has become an upload; set while it does. */
  beginning?: Promise<unknown>;
}

/**
 * Upload sessions of distribution-spec §Pushing blobs. A session that was opened and holds no byte yet is kept in
 * memory only, for there is nothing in it to be resumed: most blobs then need no record on the disk. From
 * its first byte on it is a resumable upload like any other; from the beginning, where the next request may come to
 * another server.
 */
export class Sessions {
  readonly #layers: Layers;
  readonly #uploads: Uploads;
  readonly #shared: boolean;
  readonly #announced: LRUCache<UploadId, Announced>;

  /** @param shared whether other servers use the same store. */
  constructor(layers: Layers, uploads: Uploads, shared: boolean) {
    this.#shared = shared;
    this.#layers = layers;
    this.#uploads = uploads;
    this.#announced = new LRUCache({ max: ANNOUNCED_KEPT, ttl: uploads.ttl });
  }

  /** How many were opened and hold no byte yet. */
  get announced(): number {
    return this.#announced.size;
  }

  /** Opens a session under an id that cannot be guessed. */
  async open(place: Place, algorithm?: DigestAlgorithm): Promise<UploadId> {
    const id = randomUUID() as string as UploadId;
    const claims = algorithm === undefined ? {} : { algorithm };
    if (this.#shared) return (await this.#uploads.create(place, claims, id)).id;
    const { repository, who } = place;
    this.#announced.set(id, { repository, who, claims });
    return id;
  }

  /** How many bytes have arrived. @throws BLOB_UPLOAD_UNKNOWN */
  async offset(place: Place, id: UploadId): Promise<number> {
    if (this.#find(place, id) !== undefined) return 0;
    const { offset, layer } = await this.#uploads.state(place, id);
    if (layer === undefined) return offset;
    // The process that took the last part has died before it could say so.
    this.#uploads.forget(id);
    throw new LayerdError("BLOB_UPLOAD_UNKNOWN");
  }

  /**
   * Takes a part. What has arrived when the client disappears is kept.
   * @throws BLOB_UPLOAD_UNKNOWN, OFFSET_MISMATCH, SIZE_INVALID
   */
  async append(place: Place, id: UploadId, source: Incoming, part: Part): Promise<UploadState> {
    await this.#begin(place, id, part);
    return await this.#uploads.append(place, id, source, { ...part, size: undefined, last: false });
  }

  /**
   * Takes the last part, which may be empty or the whole, and makes everything a blob of that digest.
   * @throws as `append`, and DIGEST_INVALID
   */
  async finish(
    place: Place,
    id: UploadId,
    source: Incoming,
    part: Part & { readonly digest: Digest },
  ): Promise<StoredLayer> {
    if (await this.#isWhole(place, id, part)) return await this.#storeWhole(place, id, source, part);
    await this.#begin(place, id, part);
    const { at, length, digest } = part;
    const request: AppendRequest = { at, length, size: undefined, last: true, digests: [digest] };
    const { layer } = await this.#uploads.append(place, id, source, request);
    this.#uploads.forget(id);
    return layer ?? (await this.#layers.find(place.repository, digest));
  }

  /** @throws BLOB_UPLOAD_UNKNOWN */
  async cancel(place: Place, id: UploadId): Promise<void> {
    const announced = this.#find(place, id);
    await announced?.beginning?.catch(() => undefined);
    if (this.#find(place, id) === undefined) await this.#uploads.cancel(place, id);
    else this.#announced.delete(id);
  }

  /** A small blob in one piece: keeping a record of its upload would take longer than sending it again. */
  async #isWhole(place: Place, id: UploadId, { length }: Part): Promise<boolean> {
    if (length === undefined || length > WORTH_RESUMING) return false;
    if (this.#shared) return await this.#uploads.isEmpty(place, id);
    const announced = this.#find(place, id);
    return announced !== undefined && announced.beginning === undefined;
  }

  async #storeWhole(
    place: Place,
    id: UploadId,
    source: Incoming,
    { at = 0, length = 0, digest }: Part & { readonly digest: Digest },
  ): Promise<StoredLayer> {
    if (at !== 0) throw offsetMismatch(0, at);
    const layer = await this.#layers.store(place, source, { digests: [digest], size: length });
    if (this.#shared) await this.#uploads.cancel(place, id);
    else this.#announced.delete(id);
    return layer;
  }

  /** Makes an upload of a session that is still empty. It is known all the while, and stays when that fails. */
  async #begin(place: Place, id: UploadId, { at = 0 }: Part): Promise<void> {
    const announced = this.#find(place, id);
    if (announced === undefined) return;
    if (at !== 0) throw offsetMismatch(0, at);
    announced.beginning ??= this.#uploads.create(place, announced.claims, id);
    try {
      await announced.beginning;
      this.#announced.delete(id);
    } catch (error) {
      delete announced.beginning;
      throw error;
    }
  }

  /** A session of somebody else is answered like one that is not there. */
  #find({ repository, who }: Place, id: UploadId): Announced | undefined {
    const announced = this.#announced.get(id);
    return announced?.repository === repository && announced.who === who ? announced : undefined;
  }
}
