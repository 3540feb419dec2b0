import { buffer } from "node:stream/consumers";
import type { BlobHandle, BlobStore } from "../../blobs/port.ts";
import type { Hold, Holds } from "../../cluster/port.ts";
import { algorithmOf, type Digest, digestOf } from "../../core/digest.ts";
import type { Descriptor } from "../../core/image.ts";
import type { ParsedManifest } from "../../core/manifest.ts";
import { SNIFF_LENGTH, sniffLayer } from "../../core/media-type.ts";
import type { RepositoryName } from "../../core/name.ts";
import type { Change, Index } from "../../index/port.ts";
import { DigestSet } from "../gc/digest-set.ts";
import { Pace } from "../gc/pace.ts";
import { everyBlob, everyManifest, everyRepository } from "../gc/walk.ts";
import { linkChange } from "../layers.ts";
import { recordOf } from "../manifest-record.ts";
import { readManifest } from "../read-manifest.ts";
import { Finding, type FindOptions, type Recovered } from "./finding.ts";

/** Finds what repositories do not know any more among the blobs, where the bytes have always been. */
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
   * Puts manifests that no repository has into one, with all that they name. Nothing that is in an index is changed.
   * Tags are no part of a manifest, and stay unknown.
   * @param elsewhere whether a dry run has found one for another repository.
   */
  async recover(
    repository: RepositoryName,
    options: FindOptions = {},
    elsewhere: (digest: Digest) => boolean = () => false,
  ): Promise<Recovered> {
    const pace = new Pace(options.signal);
    const all = ({ blobs, foreignBlobs }: ParsedManifest) => [...blobs, ...foreignBlobs];
    const finding = new Finding(this.#index, repository, options, all);
    const known = await this.#known(pace);
    for await (const digest of this.#blobs.list()) {
      await pace.step();
      if (!known.has(digest) && !elsewhere(digest)) await this.bring(finding, digest);
    }
    return finding.tally;
  }

  /**
   * Brings a manifest back, with the manifests that it lists, which other repositories may have too: an index without
   * them is of no use. Does nothing for what is no manifest, is damaged, or is not stored.
   */
  async bring(finding: Finding, digest: Digest): Promise<void> {
    if (await finding.hasManifest(digest)) return;
    using hold = this.#holds.open();
    await hold.add(digest);
    const manifest = await this.#read(digest);
    if (manifest === undefined) return;
    const { parsed, size } = manifest;
    for (const child of parsed.manifests) await this.bring(finding, child.digest);
    const { links, missing } = await this.#links(finding, parsed, hold);
    const record = recordOf({ digest, size }, parsed);
    const found = { digest, mediaType: parsed.mediaType, missing };
    await finding.put([...links, { type: "manifestPut", manifest: record }], found);
  }

  /** Links what a manifest names that is there, and that the repository has lost. */
  async relink(finding: Finding, digest: Digest): Promise<void> {
    using hold = this.#holds.open();
    const manifest = await this.#read(digest);
    if (manifest === undefined) return;
    const { links } = await this.#links(finding, manifest.parsed, hold);
    if (links.length > 0) await finding.put(links);
  }

  /** Links a blob of which nothing else is known: what it is, its first bytes tell. */
  async link(finding: Finding, digest: Digest): Promise<void> {
    if ((await finding.hasBlob(digest)) || (await finding.hasManifest(digest))) return;
    using hold = this.#holds.open();
    await hold.add(digest);
    const handle = await this.#blobs.open(digest);
    if (handle === undefined) return;
    try {
      const head = await buffer(handle.stream({ start: 0, end: Math.min(SNIFF_LENGTH, handle.size) }));
      const mediaType = sniffLayer(head);
      await finding.put([linkChange(handle, { mediaType })], { digest, mediaType, missing: [] });
    } finally {
      await handle.close();
    }
  }

  async #known(pace: Pace): Promise<DigestSet> {
    const known = new DigestSet();
    for await (const repository of everyRepository(this.#index)) {
      for await (const { digest } of everyManifest(this.#index, repository, pace)) known.add(digest);
      for await (const { digest } of everyBlob(this.#index, repository, pace)) known.add(digest);
    }
    return known;
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
    finding: Finding,
    parsed: ParsedManifest,
    hold: Hold,
  ): Promise<{ links: Change[]; missing: Digest[] }> {
    const links: Change[] = [];
    const missing: Digest[] = [];
    for (const blob of finding.linkedWith(parsed)) {
      await hold.add(blob.digest);
      if (await finding.hasBlob(blob.digest)) continue;
      if (await this.#isStored(blob)) links.push(linkChange(blob, blob));
      else if (parsed.blobs.includes(blob)) missing.push(blob.digest);
    }
    for (const { digest } of parsed.manifests) {
      if (!(await finding.hasManifest(digest))) missing.push(digest);
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
