import type { BlobHandle, BlobStore } from "../blobs/port.ts";
import { type Digest, digestOfId } from "../core/digest.ts";
import { LayerdError } from "../core/errors.ts";
import {
  type Descriptor,
  type Document,
  emptyDocument,
  type ImageManifest,
  makeImageConfig,
  makeManifest,
  sorted,
} from "../core/image.ts";
import type { ManifestRequest } from "../core/manifest-request.ts";
import { isTag, type RepositoryName, type Tag } from "../core/name.ts";
import type { BlobEntry, Change, Index, ManifestEntry, Page, PageRequest } from "../index/port.ts";
import type { DiffIds } from "./diff-ids.ts";
import { linkChange, type Place } from "./layers.ts";
import { storeBytes } from "./store-bytes.ts";

export interface PostedManifest {
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
  readonly tag: Tag | undefined;
}

/** A manifest by its digest, or by a tag that points at it now. */
export type Reference = { readonly digest: Digest } | { readonly tag: Tag };

/**
 * Reads `{id}` of the simple API: a digest, its bare hex, or a tag. A tag may look like an id; the digest wins.
 * @throws MANIFEST_UNKNOWN when it can be neither.
 */
export function parseReference(text: string): Reference {
  const digest = digestOfId(text);
  if (digest !== undefined) return { digest };
  if (isTag(text)) return { tag: text };
  throw new LayerdError(
    "MANIFEST_INVALID",
    `not a manifest id or tag: ${JSON.stringify(text.slice(0, 150))}`,
    {
      detail: { expected: "sha256:<64 hex digits>, the hex alone, or a tag" },
    },
  );
}

/** Manifests of a repository: bytes in the blob store, entries and tags in the index. */
export class Manifests {
  readonly #blobs: BlobStore;
  readonly #index: Index;
  readonly #diffIds: DiffIds;

  constructor(stores: { blobs: BlobStore; index: Index }, diffIds: DiffIds) {
    this.#blobs = stores.blobs;
    this.#index = stores.index;
    this.#diffIds = diffIds;
  }

  /**
   * Generates a manifest for layers that are already stored, and publishes it. The same request gives the
   * same manifest. @throws MANIFEST_BLOB_UNKNOWN naming every missing layer, LAYER_INVALID when a layer of
   * an image is no tar.
   */
  async post(place: Place, request: ManifestRequest): Promise<PostedManifest> {
    const entries = await this.#layers(place.repository, request);
    const config = await this.#config(place, request, entries);
    const layers = entries.map((entry, at) => describe(entry, request.layers[at]));
    const empty = layers.length === 0 ? [emptyDocument()] : [];
    const subject = await this.#subject(place.repository, request);
    const built = makeManifest({
      config: config.descriptor,
      layers: layers.length > 0 ? layers : empty.map((document) => document.descriptor),
      ...(request.artifactType === undefined ? {} : { artifactType: request.artifactType }),
      ...(request.annotations === undefined ? {} : { annotations: request.annotations }),
      ...(subject === undefined ? {} : { subject }),
    });
    await Promise.all([config, ...empty, built].map(({ bytes }) => storeBytes(this.#blobs, bytes)));
    await this.#publish(place, built, [config, ...empty], request.tag);
    return { descriptor: built.descriptor, manifest: built.manifest, tag: request.tag };
  }

  /** @throws MANIFEST_UNKNOWN, TAG_UNKNOWN */
  async find(repository: RepositoryName, reference: Reference): Promise<ManifestEntry> {
    const digest = "digest" in reference ? reference.digest : await this.#resolve(repository, reference.tag);
    const entry = await this.#index.manifest(repository, digest);
    if (entry === undefined) throw unknownManifest(digest);
    return entry;
  }

  /** The entry and an open handle on the manifest's bytes, which the caller closes. */
  async open(
    repository: RepositoryName,
    reference: Reference,
  ): Promise<{ entry: ManifestEntry; handle: BlobHandle }> {
    const entry = await this.find(repository, reference);
    const handle = await this.#blobs.open(entry.digest);
    if (handle?.size === entry.size) return { entry, handle };
    await handle?.close();
    throw unknownManifest(entry.digest);
  }

  list(
    repository: RepositoryName,
    page: PageRequest,
  ): Promise<Page<ManifestEntry & { readonly tags: readonly Tag[] }>> {
    return this.#index.manifests(repository, page);
  }

  /** Deletes a manifest and its tags; given a tag, the manifest it points at, unless it moves meanwhile. */
  async delete(place: Place, reference: Reference): Promise<void> {
    const { digest } = await this.find(place.repository, reference);
    await this.#index.apply(place.repository, {
      who: place.who,
      changes: [{ type: "manifestDeleted", digest }],
      requires: [
        { type: "manifestPresent", digest },
        ...("tag" in reference ? [{ type: "tagAt", tag: reference.tag, digest } as const] : []),
      ],
    });
  }

  async #resolve(repository: RepositoryName, tag: Tag): Promise<Digest> {
    const entry = await this.#index.tag(repository, tag);
    if (entry !== undefined) return entry.digest;
    throw new LayerdError("TAG_UNKNOWN", `no manifest is tagged ${tag}`, { detail: { tag } });
  }

  async #layers(repository: RepositoryName, request: ManifestRequest): Promise<BlobEntry[]> {
    const digests = request.layers.map((layer) => (typeof layer === "string" ? layer : layer.digest));
    const entries = await Promise.all(digests.map((digest) => this.#stored(repository, digest)));
    const missing = digests.filter((_, at) => entries[at] === undefined);
    if (missing.length === 0) return entries.filter((entry) => entry !== undefined);
    throw new LayerdError("MANIFEST_BLOB_UNKNOWN", `not here: ${missing.slice(0, 3).join(", ")}`, {
      detail: { missing: [...new Set(missing)] },
    });
  }

  async #stored(repository: RepositoryName, digest: Digest): Promise<BlobEntry | undefined> {
    const entry = await this.#index.blob(repository, digest);
    return entry !== undefined && (await this.#blobs.stat(digest))?.size === entry.size ? entry : undefined;
  }

  /** An artifact without a config of its own gets the empty one (image-spec manifest.md §Guidelines). */
  async #config(place: Place, request: ManifestRequest, layers: readonly BlobEntry[]): Promise<Document> {
    if (request.artifactType !== undefined && request.config === undefined) return emptyDocument();
    const unpacked = await Promise.all(layers.map((layer) => this.#diffIds.of(place, layer)));
    return makeImageConfig(
      request.config ?? {},
      unpacked.map(({ diffId }) => diffId),
    );
  }

  /** A subject need not be here (image-spec manifest.md §subject), but then the caller must describe it. */
  async #subject(repository: RepositoryName, request: ManifestRequest): Promise<Descriptor | undefined> {
    if (typeof request.subject !== "string") return request.subject;
    const entry = await this.#index.manifest(repository, request.subject);
    if (entry !== undefined) return { mediaType: entry.mediaType, digest: entry.digest, size: entry.size };
    throw new LayerdError(
      "MANIFEST_UNKNOWN",
      `the subject ${request.subject} is not here; describe it as {mediaType, digest, size} to name it all the same`,
      { detail: { subject: request.subject } },
    );
  }

  async #publish(
    place: Place,
    built: Document & { readonly manifest: ImageManifest },
    made: readonly Document[],
    tag: Tag | undefined,
  ): Promise<void> {
    const { descriptor, manifest } = built;
    const layers = manifest.layers.map((layer) => layer.digest);
    const changes: Change[] = [
      ...made.map((document) => linkChange(document.descriptor, document.descriptor)),
      { type: "manifestPut", manifest: manifestRecord(descriptor, manifest) },
      ...(tag === undefined ? [] : [{ type: "tagSet", tag, digest: descriptor.digest } as const]),
    ];
    const own = new Set(made.map((document) => document.descriptor.digest));
    await this.#index.apply(place.repository, {
      who: place.who,
      changes,
      // Checked again here, where nothing can come between: a layer may have been deleted meanwhile.
      requires: [{ type: "blobsLinked", digests: layers.filter((digest) => !own.has(digest)) }],
    });
  }
}

function manifestRecord(descriptor: Descriptor, manifest: ImageManifest) {
  const { digest, size, mediaType } = descriptor;
  const needed = new Set([manifest.config.digest, ...manifest.layers.map((layer) => layer.digest)]);
  return {
    digest,
    size,
    mediaType,
    blobs: [...needed],
    ...(manifest.artifactType === undefined ? {} : { artifactType: manifest.artifactType }),
    ...(manifest.subject === undefined ? {} : { subject: manifest.subject.digest }),
    ...(manifest.annotations === undefined ? {} : { annotations: manifest.annotations }),
  };
}

function describe(entry: BlobEntry, layer: ManifestRequest["layers"][number] | undefined): Descriptor {
  const asked = typeof layer === "object" ? layer : undefined;
  return {
    mediaType: asked?.mediaType ?? entry.mediaType,
    digest: entry.digest,
    size: entry.size,
    ...(asked?.annotations === undefined ? {} : { annotations: sorted(asked.annotations) }),
  };
}

function unknownManifest(digest: Digest): LayerdError {
  return new LayerdError("MANIFEST_UNKNOWN", `no manifest ${digest}`, { detail: { digest } });
}
