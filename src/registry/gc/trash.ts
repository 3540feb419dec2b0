import { buffer } from "node:stream/consumers";
import type { BlobHandle, BlobStore, Discarded } from "../../blobs/port.ts";
import type { Holds } from "../../cluster/port.ts";
import type { Digest } from "../../core/digest.ts";
import { LayerdError } from "../../core/errors.ts";
import { SNIFF_LENGTH, sniffLayer } from "../../core/media-type.ts";
import type { Tag } from "../../core/name.ts";
import type { Layers, Place } from "../layers.ts";
import type { Pusher } from "../push.ts";
import { manifestOf, readManifest } from "../read-manifest.ts";

// Bytes. No manifest is larger.
const MANIFEST_MAX = 4 * 1024 * 1024;
const JSON_OBJECT = /^\s*\{/;

export interface InTrash extends Discarded {
  readonly what: "manifest" | "blob";
  /** Of a manifest as it says, of a blob as its first bytes tell. */
  readonly mediaType: string;
}

export interface Restored {
  readonly what: "manifest" | "blob";
  /** All that came back, or was there all the time: the manifest, and what it names. */
  readonly digests: readonly Digest[];
}

/** What was collected and can still be brought back. */
export class Trash {
  readonly #blobs: BlobStore;
  readonly #holds: Holds;
  readonly #layers: Layers;
  readonly #pusher: Pusher;

  constructor(
    stores: { readonly blobs: BlobStore; readonly holds: Holds },
    parts: { readonly layers: Layers; readonly pusher: Pusher },
  ) {
    this.#blobs = stores.blobs;
    this.#holds = stores.holds;
    this.#layers = parts.layers;
    this.#pusher = parts.pusher;
  }

  /** In no order. */
  async *list(): AsyncGenerator<InTrash> {
    for await (const discarded of this.#blobs.discarded()) {
      const kind = await this.#kindOf(discarded);
      // Else it has just been purged or restored.
      if (kind !== undefined) yield { ...discarded, ...kind };
    }
  }

  /**
   * Brings a blob back into a repository; a manifest with all that it names, and with its tags.
   * @throws BLOB_UNKNOWN when it is neither in the trash nor stored, MANIFEST_BLOB_UNKNOWN naming what is gone for good
   */
  async restore(place: Place, digest: Digest, tags: readonly Tag[]): Promise<Restored> {
    using hold = this.#holds.open();
    const manifest = await this.#bringBack(digest, hold.add, (handle) => readManifest(handle));
    if (manifest === undefined) return await this.#restoreBlob(place, digest, tags);
    const { parsed, bytes } = manifest;
    for (const child of parsed.manifests) await this.restore(place, child.digest, []);
    for (const blob of parsed.blobs) {
      await hold.add(blob.digest);
      await this.#blobs.restore(blob.digest);
      const stat = await this.#blobs.stat(blob.digest);
      // Else the push says what is missing.
      if (stat !== undefined) await this.#layers.link(place, stat, blob);
    }
    await this.#pusher.push(place, { bytes, contentType: parsed.mediaType, digest, tags, guards: [] });
    const named = [...parsed.manifests, ...parsed.blobs].map((descriptor) => descriptor.digest);
    return { what: "manifest", digests: [digest, ...named] };
  }

  async #kindOf({ digest, size }: Discarded): Promise<Pick<InTrash, "what" | "mediaType"> | undefined> {
    const head = await this.#blobs.peek(digest, Math.min(size, SNIFF_LENGTH));
    if (head === undefined) return undefined;
    const blob = { what: "blob", mediaType: sniffLayer(head) } as const;
    if (size > MANIFEST_MAX || !JSON_OBJECT.test(head.toString("latin1"))) return blob;
    const bytes = await this.#blobs.peek(digest, size);
    const parsed = bytes && manifestOf(bytes);
    return parsed === undefined ? blob : { what: "manifest", mediaType: parsed.mediaType };
  }

  async #restoreBlob(place: Place, digest: Digest, tags: readonly Tag[]): Promise<Restored> {
    if (tags.length > 0)
      throw new LayerdError("MANIFEST_INVALID", `${digest} is no manifest: it cannot have a tag`);
    using hold = this.#holds.open();
    await this.#bringBack(digest, hold.add, async (handle) => {
      const head = await buffer(handle.stream({ start: 0, end: Math.min(SNIFF_LENGTH, handle.size) }));
      await this.#layers.link(place, handle, { mediaType: sniffLayer(head) });
    });
    return { what: "blob", digests: [digest] };
  }

  async #bringBack<T>(
    digest: Digest,
    hold: (digest: Digest) => Promise<void> | undefined,
    use: (handle: BlobHandle) => Promise<T>,
  ): Promise<T> {
    await hold(digest);
    await this.#blobs.restore(digest);
    const handle = await this.#blobs.open(digest);
    if (handle === undefined) throw new LayerdError("BLOB_UNKNOWN", `${digest} is not in the trash`);
    try {
      return await use(handle);
    } finally {
      await handle.close();
    }
  }
}
