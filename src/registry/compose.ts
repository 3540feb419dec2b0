import type { BlobStore } from "../blobs/port.ts";
import type { Holds } from "../cluster/port.ts";
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
import { parseManifest } from "../core/manifest.ts";
import type { ManifestRequest } from "../core/manifest-request.ts";
import type { RepositoryName, Tag } from "../core/name.ts";
import type { Rules } from "../core/rules.ts";
import type { BlobEntry, Index } from "../index/port.ts";
import type { DiffIds } from "./diff-ids.ts";
import { by, linkChange, type Place } from "./layers.ts";
import { recordOf } from "./manifest-record.ts";
import { storeBytes } from "./store-bytes.ts";
import { storedBlob } from "./stored.ts";
import { requireAllowed, requireWritable, tagRequirements } from "./write-rules.ts";

export interface PostedManifest {
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
  readonly tag: Tag | undefined;
}

/** Makes manifests of layers that are already stored. */
export class Composer {
  readonly #holds: Holds;
  readonly #blobs: BlobStore;
  readonly #index: Index;
  readonly #diffIds: DiffIds;
  readonly #rules: Rules;

  constructor(stores: { blobs: BlobStore; index: Index; holds: Holds }, diffIds: DiffIds, rules: Rules) {
    this.#holds = stores.holds;
    this.#blobs = stores.blobs;
    this.#index = stores.index;
    this.#diffIds = diffIds;
    this.#rules = rules;
  }

  /**
   * Generates a manifest for layers that are already stored, and publishes it. The same request gives the
   * same manifest. @throws MANIFEST_BLOB_UNKNOWN naming every missing layer, LAYER_INVALID when a layer of
   * an image is no tar.
   */
  async post(place: Place, request: ManifestRequest): Promise<PostedManifest> {
    requireWritable(this.#rules, place.repository);
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
    requireAllowed(this.#rules.for(place.repository), parse(built));
    using hold = this.#holds.open();
    await Promise.all(
      [config, ...empty, built].map(async ({ bytes, descriptor }) => {
        await hold.add(descriptor.digest);
        await storeBytes(this.#blobs, bytes, descriptor.digest);
      }),
    );
    await this.#publish(place, built, [config, ...empty], request.tag);
    return { descriptor: built.descriptor, manifest: built.manifest, tag: request.tag };
  }

  async #layers(repository: RepositoryName, request: ManifestRequest): Promise<BlobEntry[]> {
    const digests = request.layers.map((layer) => (typeof layer === "string" ? layer : layer.digest));
    const entries = await Promise.all(
      digests.map((digest) => storedBlob({ blobs: this.#blobs, index: this.#index }, repository, digest)),
    );
    const missing = digests.filter((_, at) => entries[at] === undefined);
    if (missing.length === 0) return entries.filter((entry) => entry !== undefined);
    throw new LayerdError("MANIFEST_BLOB_UNKNOWN", `not here: ${missing.slice(0, 3).join(", ")}`, {
      detail: { missing: [...new Set(missing)] },
    });
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
    const { digest } = built.descriptor;
    const tags = tag === undefined ? [] : [tag];
    const layers = built.manifest.layers.map((layer) => layer.digest);
    const own = new Set(made.map((document) => document.descriptor.digest));
    await this.#index.apply(place.repository, {
      ...by(place),
      changes: [
        ...made.map((document) => linkChange(document.descriptor, document.descriptor)),
        { type: "manifestPut", manifest: recordOf(built.descriptor, parse(built)) },
        ...tags.map((name) => ({ type: "tagSet", tag: name, digest }) as const),
      ],
      requires: [
        // Checked again here, where nothing can come between: a layer may have been deleted meanwhile.
        { type: "blobsLinked", digests: layers.filter((layer) => !own.has(layer)) },
        ...tagRequirements(this.#rules.for(place.repository), tags, digest),
      ],
    });
  }
}

function parse({ bytes, descriptor }: Document) {
  return parseManifest(bytes, descriptor.mediaType);
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
