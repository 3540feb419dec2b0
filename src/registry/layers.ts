import type { Readable } from "node:stream";
import type { BlobHandle, BlobStat, BlobStore } from "../blobs/port.ts";
import type { Hold, Holds } from "../cluster/port.ts";
import { type Awaitable, andThen } from "../core/awaitable.ts";
import { algorithmOf, type Digest, type DigestAlgorithm } from "../core/digest.ts";
import { isLayerdError, LayerdError } from "../core/errors.ts";
import { sniffLayer } from "../core/media-type.ts";
import type { RepositoryName } from "../core/name.ts";
import type { Rules } from "../core/rules.ts";
import type { BlobEntry, Change, Index, Look, Occasion, Page, PageRequest } from "../index/port.ts";
import { storedBlob } from "./stored.ts";
import { requireWritable } from "./write-rules.ts";

/** Where something is to be stored, and by whom. */
export interface Place {
  readonly repository: RepositoryName;
  readonly who: string;
  /** Names the request that asked, if one did. */
  readonly request?: string;
}

/** Under whose name a change is made. */
export function by({ who, request }: Place): Occasion {
  return { who, request };
}

/** What a client says about the bytes it sends; all of it optional, all of it enforced or recorded. */
export interface LayerClaims {
  /** The bytes must have each of these digests; the first one's algorithm names the layer. */
  readonly digests?: readonly Digest[];
  /** By which the layer is named when it is not known by which digest: to compute while it arrives. */
  readonly algorithm?: DigestAlgorithm;
  /** Bytes. The body must have exactly this length. */
  readonly size?: number;
  readonly mediaType?: string;
  readonly name?: string;
}

/** Bytes on their way in. */
export interface Incoming {
  readonly stream: Readable;
  /** Aborts when they turn out to be worthless although the stream itself is well. */
  readonly signal?: AbortSignal;
}

/** A layer, wherever it stands among others. */
export type StoredLayer = Omit<BlobEntry, "position">;

export interface OpenLayer {
  readonly entry: BlobEntry;
  /** The caller closes it. */
  readonly handle: BlobHandle;
}

/** Bytes that have arrived and wait for their names to be published together. */
export interface StagedLayer {
  /** The caller holds what it is told, until it is linked. */
  publish(naming: Hold["add"]): Promise<BlobStat>;
  discard(): Promise<void>;
  readonly mediaType: string;
  readonly name: string | undefined;
}

export interface SizeLimit {
  readonly bytes: number;
  /** Runs an append, and names the limit that it has run into. */
  guard<T>(work: () => Promise<T>): Promise<T>;
}

/** Layers of a repository: bytes in the blob store, made visible by a link in the index. */
export class Layers {
  /** For those who link what is stored. */
  readonly holds: Holds;
  readonly #blobs: BlobStore;
  readonly #index: Index;
  readonly #rules: Rules;

  constructor(stores: { blobs: BlobStore; index: Index; holds: Holds }, rules: Rules) {
    this.holds = stores.holds;
    this.#blobs = stores.blobs;
    this.#index = stores.index;
    this.#rules = rules;
  }

  /** Bytes a layer may have at most. @throws DENIED when nothing may be stored there. */
  maxSize(repository: RepositoryName): number {
    return requireWritable(this.#rules, repository).maxBlobSize;
  }

  /**
   * How many bytes an upload may bring: as many as it has announced, else as layers may have.
   * @throws REQUEST_TOO_LARGE when it has announced more than that, DENIED.
   */
  limit(repository: RepositoryName, size: number | undefined): SizeLimit {
    const maxSize = this.maxSize(repository);
    const tooLarge = () => new LayerdError("REQUEST_TOO_LARGE", `layers may have up to ${maxSize} bytes`);
    if (size !== undefined && size > maxSize) throw tooLarge();
    return {
      bytes: size ?? maxSize,
      guard: (work) =>
        work().catch((error: unknown) => {
          throw size === undefined && isTooLong(error) ? tooLarge() : error;
        }),
    };
  }

  /** @throws BLOB_UNKNOWN when the repository may not serve it, or its bytes are gone. */
  async find(repository: RepositoryName, digest: Digest): Promise<BlobEntry> {
    const entry = await storedBlob({ blobs: this.#blobs, index: this.#index }, repository, digest);
    if (entry !== undefined) return entry;
    throw unknownLayer(digest);
  }

  /**
   * The entry and an open handle, which the caller closes. Bytes that are missing or of another length than
   * recorded are not served (they are healed by sending the layer again).
   * @param look whether it is promised to the client, which will then not send it.
   * @throws BLOB_UNKNOWN
   */
  open(repository: RepositoryName, digest: Digest, look?: Look): Awaitable<OpenLayer> {
    return andThen(this.#index.blob(repository, digest, look), (entry) => {
      if (entry === undefined) throw unknownLayer(digest);
      return andThen(this.#blobs.open(digest), (handle) => this.#opened(entry, handle));
    });
  }

  #opened(entry: BlobEntry, handle: BlobHandle | undefined): Awaitable<OpenLayer> {
    if (handle?.size === entry.size) return { entry, handle };
    return andThen(handle?.close(), () => {
      throw unknownLayer(entry.digest);
    });
  }

  /** Whether the bytes are there, whoever may have them. */
  async isStored({ digest, size }: BlobStat): Promise<boolean> {
    return (await this.#blobs.stat(digest))?.size === size;
  }

  /** Whether the repository serves this layer, without looking at its bytes. */
  async known(repository: RepositoryName, digest: Digest): Promise<BlobEntry | undefined> {
    return await this.#index.blob(repository, digest);
  }

  list(repository: RepositoryName, page: PageRequest): Promise<Page<BlobEntry>> {
    return this.#index.blobs(repository, page);
  }

  /** Takes a whole layer from a stream: durable and visible when it resolves, nothing stored otherwise. */
  async store(place: Place, source: Incoming, claims: LayerClaims): Promise<StoredLayer> {
    const staged = await this.stage(place, source, claims);
    return await this.publish(place, staged);
  }

  /** Takes the bytes without publishing them, for uploads that only count together. */
  async stage({ repository }: Place, source: Incoming, claims: LayerClaims): Promise<StagedLayer> {
    const limit = this.limit(repository, claims.size);
    const upload = await this.#blobs.begin({ algorithms: algorithmsFor(claims) });
    try {
      await limit.guard(() =>
        upload.append(source.stream, { at: 0, limit: limit.bytes, ...signalOf(source) }),
      );
    } catch (error) {
      await upload.cancel();
      throw error;
    }
    return {
      publish: (naming) => upload.commit({ ...claims, naming }),
      discard: () => upload.cancel(),
      mediaType: claims.mediaType ?? sniffLayer(upload.head),
      name: claims.name,
    };
  }

  async publish(place: Place, staged: StagedLayer): Promise<StoredLayer> {
    using hold = this.holds.open();
    const stat = await staged.publish(hold.add);
    return await this.link(place, stat, staged);
  }

  /** Makes a stored blob, which the caller holds, visible in a repository. What it tells was so, even if somebody deletes it right then. */
  async link(
    place: Place,
    stat: BlobStat,
    about: { readonly mediaType: string; readonly name?: string | undefined } & Pick<Occasion, "mount">,
  ): Promise<StoredLayer> {
    const change = linkChange(stat, about);
    const { mount } = about;
    await this.#index.apply(place.repository, { ...by(place), mount, changes: [change] });
    const entry = await this.#index.blob(place.repository, stat.digest);
    return entry ?? { ...change, createdAt: new Date().toISOString() };
  }

  /** @throws BLOB_UNKNOWN, or BLOB_IN_USE naming manifests that still need it. */
  async delete(place: Place, digest: Digest): Promise<void> {
    requireWritable(this.#rules, place.repository);
    await this.#index.apply(place.repository, {
      ...by(place),
      changes: [{ type: "blobUnlinked", digest }],
      requires: [
        { type: "blobLinked", digest },
        { type: "blobUnused", digest },
      ],
    });
  }
}

/** Not a body that broke off: that has no limit to tell. */
function isTooLong(error: unknown): boolean {
  return isLayerdError(error, "SIZE_INVALID") && error.detail !== undefined;
}

function signalOf({ signal }: Incoming): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

export function unknownLayer(digest: Digest): LayerdError {
  return new LayerdError("BLOB_UNKNOWN", `no layer ${digest}`, { detail: { digest } });
}

/** The algorithms to compute for a client's claims, the naming one first. */
export function algorithmsFor({ digests = [], algorithm = "sha256" }: LayerClaims): DigestAlgorithm[] {
  const algorithms = new Set(digests.map(algorithmOf));
  return algorithms.size === 0 ? [algorithm] : [...algorithms];
}

export function linkChange(
  stat: BlobStat,
  about: { readonly mediaType: string; readonly name?: string | undefined },
): Extract<Change, { type: "blobLinked" }> {
  const { digest, size } = stat;
  const { mediaType, name } = about;
  return { type: "blobLinked", digest, size, mediaType, ...(name === undefined ? {} : { name }) };
}
