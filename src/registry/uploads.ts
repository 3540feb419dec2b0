import { LRUCache } from "lru-cache";
import type { BlobIngester, BlobStat, BlobUpload, UploadId } from "../blobs/port.ts";
import type { Digest } from "../core/digest.ts";
import { isLayerdError, LayerdError, withHeaders } from "../core/errors.ts";
import { sniffLayer } from "../core/media-type.ts";
import type { Incoming, LayerClaims, Layers, Place, StoredLayer } from "./layers.ts";
import { OpenUploads } from "./open-uploads.ts";
import { skipBytes } from "./skip-bytes.ts";
import { Turns } from "./turns.ts";
import {
  type AppendRequest,
  agreedSize,
  alreadyComplete,
  belongsTo,
  idFor,
  newId,
  noteOf,
  offsetMismatch,
  type PlacedRequest,
  stateOf,
  type UploadState,
  withDigests,
  withoutFirst,
} from "./upload-state.ts";

export interface UploadLimits {
  /** Milliseconds after its last change when an upload is forgotten. */
  readonly ttl: number;
}

// Finished uploads that are remembered, for clients that have lost the last answer.
const FINISHED_KEPT = 10_000;

// Bytes. A smaller layer is sent again sooner than its upload is found again; keeping a record would cost it
// two more syncs.
export const WORTH_RESUMING = 64 * 1024;

/**
 * Resumable uploads. An id that was handed out works only for its owner; what a client must know to go on is
 * the offset, and the offset is what the store holds.
 */
export class Uploads {
  readonly #layers: Layers;
  readonly #open: OpenUploads;
  readonly #ttl: number;
  readonly #turns = new Turns();
  readonly #finished: LRUCache<UploadId, { readonly place: Place; readonly state: UploadState }>;

  constructor(blobs: BlobIngester, layers: Layers, limits: UploadLimits) {
    this.#layers = layers;
    this.#open = new OpenUploads(blobs);
    this.#ttl = limits.ttl;
    this.#finished = new LRUCache({ max: FINISHED_KEPT, ttl: limits.ttl });
  }

  /** Milliseconds that an upload lives without a change. */
  get ttl(): number {
    return this.#ttl;
  }

  /** Begins an upload under an id that cannot be guessed; its record is durable when this resolves. */
  async create(place: Place, claims: LayerClaims, id: UploadId = newId()): Promise<UploadState> {
    const upload = await this.#open.begin(id, place, claims);
    this.#open.keep(upload);
    return stateOf(upload);
  }

  /**
   * Where an upload stands, durably. A transfer that is still running on it is ended first: whoever asks for
   * the offset has lost that connection.
   * @throws BLOB_UPLOAD_UNKNOWN
   */
  async state(place: Place, id: UploadId): Promise<UploadState> {
    return await this.#takeTurn(place, id, async () => {
      const finished = this.#recall(place, id);
      if (finished !== undefined) return finished;
      return await this.#work(place, id, async (upload) => {
        if (upload.committed !== undefined) return await this.#finishLate(place, upload, upload.committed);
        await upload.sync();
        return stateOf(upload);
      });
    });
  }

  /**
   * Appends a part, and completes the upload with the last one. What has arrived when the client disappears
   * is kept.
   * @throws BLOB_UPLOAD_UNKNOWN, BLOB_UPLOAD_INVALID when it is complete, OFFSET_MISMATCH, SIZE_INVALID,
   * DIGEST_INVALID
   */
  async append(place: Place, id: UploadId, source: Incoming, request: AppendRequest): Promise<UploadState> {
    return await this.#takeTurn(place, id, async (turn) => {
      if (this.#recall(place, id) !== undefined) throw alreadyComplete();
      return await this.#work(place, id, async (upload) => {
        if (upload.committed === undefined) return await this.#append(place, upload, source, request, turn);
        await this.#finishLate(place, upload, upload.committed);
        throw alreadyComplete();
      });
    });
  }

  /** Whether nothing has arrived yet, nor is just arriving. @throws BLOB_UPLOAD_UNKNOWN */
  async isEmpty(place: Place, id: UploadId): Promise<boolean> {
    if (this.#turns.busy(id) || this.#recall(place, id) !== undefined) return false;
    return (await this.#own(place, id)).offset === 0;
  }

  /** Ends an upload and frees its space. @throws BLOB_UPLOAD_UNKNOWN */
  async cancel(place: Place, id: UploadId): Promise<void> {
    await this.#takeTurn(place, id, async () => {
      if (this.#recall(place, id) !== undefined) this.#finished.delete(id);
      else await this.#open.cancel(await this.#own(place, id));
    });
  }

  /** Remembers a finished upload no longer: it is unknown from now on. */
  forget(id: UploadId): void {
    this.#finished.delete(id);
  }

  /**
   * A whole layer under a digest that the client knows. It can be resumed with `putPart` when it breaks off,
   * unless another upload of the same layer by the same caller is under way already.
   */
  async put(place: Place, digest: Digest, source: Incoming, claims: LayerClaims): Promise<StoredLayer> {
    this.#layers.limit(place.repository, claims.size);
    const id = idFor(place, digest);
    const small = claims.size !== undefined && claims.size <= WORTH_RESUMING;
    if (small || this.#turns.busy(id)) return await this.#layers.store(place, source, claims);
    return await this.#turns.take(id, async (turn) => {
      const upload = await this.#open.begin(id, place, claims);
      const part = { at: 0, length: claims.size, size: claims.size, last: true };
      const { layer } = await this.#open.use(upload, () => this.#append(place, upload, source, part, turn));
      return layer ?? (await this.#layers.find(place.repository, digest));
    });
  }

  /**
   * One part of a layer, for clients that send `Content-Range`. A first part begins anew; bytes that are
   * there already are skipped (the digest of the whole is checked at the end).
   * @throws OFFSET_MISMATCH when there is a gap before the part.
   */
  async putPart(
    place: Place,
    digest: Digest,
    source: Incoming,
    request: PlacedRequest & { readonly claims: LayerClaims },
  ): Promise<UploadState> {
    this.#layers.limit(place.repository, request.size);
    const id = idFor(place, digest);
    return await this.#turns.take(id, async (turn) => {
      const first = request.at === 0;
      const upload = first ? await this.#open.begin(id, place, request.claims) : await this.#open.find(id);
      if (upload === undefined) throw offsetMismatch(0, request.at);
      const { committed } = upload;
      if (committed !== undefined) return await this.#finishLate(place, upload, committed);
      const known = Math.max(upload.offset - request.at, 0);
      const rest = known === 0 ? source : { ...source, stream: skipBytes(source.stream, known) };
      const part = withoutFirst(request, known);
      return await this.#open.use(upload, () => this.#append(place, upload, rest, part, turn));
    });
  }

  /** How much of a layer has arrived that is not complete yet, by this caller; 0 when nothing has. */
  async progress(place: Place, digest: Digest): Promise<number> {
    const id = idFor(place, digest);
    const upload = await this.#open.find(id);
    if (upload === undefined || upload.committed !== undefined) return 0;
    if (!this.#turns.busy(id)) this.#open.keep(upload);
    return upload.offset;
  }

  /** Forgets uploads that nobody has touched for the time to live; resolves with how many. */
  async sweep(now: Date): Promise<number> {
    const before = new Date(now.getTime() - this.#ttl);
    let swept = 0;
    for await (const { id, touchedAt } of this.#open.list()) {
      if (touchedAt >= before || this.#turns.busy(id)) continue;
      if (await this.#open.expire(id, before)) swept += 1;
    }
    return swept;
  }

  /** Ends running transfers; what has arrived stays resumable. */
  async close(): Promise<void> {
    await this.#turns.close();
  }

  async #append(
    place: Place,
    upload: BlobUpload,
    source: Incoming,
    request: AppendRequest,
    turn: AbortSignal,
  ): Promise<UploadState> {
    const { at = upload.offset } = request;
    // To tell an offset is to promise that those bytes need not be sent again.
    if (at !== upload.offset) throw offsetMismatch(await upload.sync(), at);
    await this.#take(place, upload, source, { ...request, at }, turn).catch(async (error: unknown) => {
      throw await this.#located(upload, error);
    });
    if (!request.last) {
      await upload.sync();
      return stateOf(upload);
    }
    using hold = this.#layers.holds.open();
    const claims = withDigests(noteOf(upload), request.digests);
    const stat = await upload.commit({ ...claims, naming: hold.add });
    return await this.#finish(place, upload, stat);
  }

  /**
   * Takes the bytes of a part. The size of the whole is recorded once somebody tells it.
   * @throws SIZE_INVALID, REQUEST_TOO_LARGE before anything is taken when that was announced
   */
  async #take(
    place: Place,
    upload: BlobUpload,
    source: Incoming,
    request: PlacedRequest,
    turn: AbortSignal,
  ): Promise<void> {
    const { at, length } = request;
    const size = agreedSize(noteOf(upload).size, request);
    if (length !== undefined) this.#layers.limit(place.repository, at + length);
    const whole = this.#layers.limit(place.repository, size);
    if (size !== noteOf(upload).size) await upload.amend({ ...noteOf(upload), size });
    const signal = source.signal === undefined ? turn : AbortSignal.any([turn, source.signal]);
    const append = (limit: number) => upload.append(source.stream, { at, limit, signal });
    const room = whole.bytes - at;
    const end =
      length === undefined || length > room ? await whole.guard(() => append(room)) : await append(length);
    if (length === undefined || end - at === length) return;
    throw new LayerdError("SIZE_INVALID", `the part has ${end - at} bytes, ${length} were announced`);
  }

  /** An upload that goes on tells where it stands, also when a request on it fails. */
  async #located(upload: BlobUpload, error: unknown): Promise<unknown> {
    if (!isLayerdError(error)) return error;
    try {
      return withHeaders(error, { "Upload-Offset": String(await upload.sync()) });
    } catch {
      // It has ended, or another server goes on with it. The client is to learn of the first fault.
      return error;
    }
  }

  /** Links what was committed by a request, or a process, that did not come to it. @throws BLOB_UPLOAD_UNKNOWN */
  async #finishLate(place: Place, upload: BlobUpload, stat: BlobStat): Promise<UploadState> {
    using hold = this.#layers.holds.open();
    await hold.add(stat.digest);
    if (await this.#layers.isStored(stat)) return await this.#finish(place, upload, stat);
    await this.#open.cancel(upload);
    throw new LayerdError(
      "BLOB_UPLOAD_UNKNOWN",
      "what was sent has been collected as garbage; send it again",
    );
  }

  /** Links what was committed, and is held, then forgets the upload's record: it is there exactly until the link is. */
  async #finish(place: Place, upload: BlobUpload, stat: BlobStat): Promise<UploadState> {
    const { mediaType = sniffLayer(upload.head), name } = noteOf(upload);
    const layer = await this.#layers.link(place, stat, { mediaType, name });
    const state = { id: upload.id, offset: stat.size, size: stat.size, layer };
    const { repository, who } = place;
    this.#finished.set(upload.id, { place: { repository, who }, state });
    await this.#open.cancel(upload);
    return state;
  }

  /** Only who owns an upload may end a transfer that is running on it. @throws BLOB_UPLOAD_UNKNOWN */
  async #takeTurn<T>(place: Place, id: UploadId, work: (turn: AbortSignal) => Promise<T>): Promise<T> {
    const running = this.#turns.busy(id) ? await this.#open.find(id) : undefined;
    if (running !== undefined && !belongsTo(running, place)) throw new LayerdError("BLOB_UPLOAD_UNKNOWN");
    return await this.#turns.take(id, work);
  }

  async #work<T>(place: Place, id: UploadId, work: (upload: BlobUpload) => Promise<T>): Promise<T> {
    const upload = await this.#own(place, id);
    return await this.#open.use(upload, () => work(upload));
  }

  /** An upload of somebody else is answered like one that is not there: ids tell nothing. */
  async #own(place: Place, id: UploadId): Promise<BlobUpload> {
    const upload = await this.#open.find(id);
    if (upload !== undefined && belongsTo(upload, place)) return upload;
    throw new LayerdError("BLOB_UPLOAD_UNKNOWN");
  }

  #recall(place: Place, id: UploadId): UploadState | undefined {
    const finished = this.#finished.get(id);
    const own = finished?.place.repository === place.repository && finished.place.who === place.who;
    return own ? finished?.state : undefined;
  }
}
