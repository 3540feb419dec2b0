import type { BlobStore } from "../blobs/port.ts";
import type { Holds } from "../cluster/port.ts";
import { algorithmOf, type Digest, digestOf } from "../core/digest.ts";
import { LayerdError } from "../core/errors.ts";
import type { Descriptor } from "../core/image.ts";
import { type ParsedManifest, parseManifest } from "../core/manifest.ts";
import type { RepositoryName, Tag } from "../core/name.ts";
import type { RepositoryRules, Rules } from "../core/rules.ts";
import { faultsError } from "../core/validate.ts";
import type { Index, Requirement } from "../index/port.ts";
import { checkImageConfig } from "./config-check.ts";
import { by, type Place } from "./layers.ts";
import { recordOf } from "./manifest-record.ts";
import { storeBytes } from "./store-bytes.ts";
import { requireAllowed, requireWritable, tagRequirements } from "./write-rules.ts";

export interface PushRequest {
  readonly bytes: Buffer;
  /** As the client sent it, parameters and all. */
  readonly contentType: string | undefined;
  /** What the bytes must be; `undefined` when the manifest is pushed by tag. */
  readonly digest: Digest | undefined;
  readonly tags: readonly Tag[];
  /** What the client wants to hold when it takes effect. */
  readonly guards: readonly Requirement[];
}

export interface PushedManifest {
  readonly digest: Digest;
  readonly manifest: ParsedManifest;
}

/** What a manifest names, as far as it is here. */
interface Present {
  readonly blobs: readonly Digest[];
  readonly manifests: readonly Digest[];
}

/** Takes manifests that clients have made (distribution-spec §Pushing Manifests). */
export class Pusher {
  readonly #holds: Holds;
  readonly #blobs: BlobStore;
  readonly #index: Index;
  readonly #rules: Rules;

  constructor(stores: { blobs: BlobStore; index: Index; holds: Holds }, rules: Rules) {
    this.#holds = stores.holds;
    this.#blobs = stores.blobs;
    this.#index = stores.index;
    this.#rules = rules;
  }

  /** Bytes a manifest may have. @throws DENIED when nothing may be pushed here. */
  limit(repository: RepositoryName): number {
    return requireWritable(this.#rules, repository).maxManifestSize;
  }

  /**
   * Stores a manifest, byte for byte, and sets its tags: all of it, durably, or nothing.
   * @throws MANIFEST_INVALID, DIGEST_INVALID, MANIFEST_BLOB_UNKNOWN naming all that is missing, DENIED
   */
  async push(place: Place, request: PushRequest): Promise<PushedManifest> {
    const { bytes, contentType, tags } = request;
    const { repository } = place;
    const rules = requireWritable(this.#rules, repository);
    const digest = digestOf(bytes, request.digest && algorithmOf(request.digest));
    if (request.digest !== undefined && request.digest !== digest) throw otherBytes(request.digest, digest);
    const manifest = parseManifest(bytes, contentType);
    requireAllowed(rules, manifest);
    const present = await this.#present(repository, manifest, rules);
    await checkImageConfig(this.#blobs, manifest, rules);
    using hold = this.#holds.open();
    await hold.add(digest);
    if (!(await this.#isStored(repository, digest, bytes))) await storeBytes(this.#blobs, bytes, digest);
    await this.#index.apply(repository, {
      ...by(place),
      changes: [
        { type: "manifestPut", manifest: recordOf({ digest, size: bytes.length }, manifest) },
        ...tags.map((tag) => ({ type: "tagSet", tag, digest }) as const),
      ],
      requires: [
        // Checked again here, where nothing can come between.
        { type: "blobsLinked", digests: present.blobs },
        { type: "manifestsPresent", digests: present.manifests },
        ...tagRequirements(rules, tags, digest),
        ...request.guards,
      ],
    });
    return { digest, manifest };
  }

  /** The bytes are looked at, not only their name: pushing heals what has rotted. */
  async #isStored(repository: RepositoryName, digest: Digest, bytes: Buffer): Promise<boolean> {
    if ((await this.#index.manifest(repository, digest)) === undefined) return false;
    const handle = await this.#blobs.open(digest);
    const same = handle?.bytes?.equals(bytes) ?? false;
    await handle?.close();
    return same;
  }

  /** @throws MANIFEST_BLOB_UNKNOWN, unless the repository takes sparse manifests */
  async #present(
    repository: RepositoryName,
    manifest: ParsedManifest,
    { sparse }: RepositoryRules,
  ): Promise<Present> {
    const blobs = await sieve(manifest.blobs, (blob) => this.#hasBlob(repository, blob, manifest));
    const manifests = await sieve(manifest.manifests, (child) => this.#hasManifest(repository, child));
    const missing = [...blobs.missing, ...manifests.missing];
    if (missing.length > 0 && !sparse) throw missingContent(missing);
    return { blobs: blobs.found, manifests: manifests.found };
  }

  async #hasBlob(repository: RepositoryName, blob: Descriptor, manifest: ParsedManifest): Promise<boolean> {
    const entry = await this.#index.blob(repository, blob.digest);
    if (entry === undefined) return false;
    if (entry.size !== blob.size) throw otherSize(blob, entry.size, manifest);
    return (await this.#blobs.stat(blob.digest))?.size === entry.size;
  }

  async #hasManifest(repository: RepositoryName, child: Descriptor): Promise<boolean> {
    const entry = await this.#index.manifest(repository, child.digest);
    return entry !== undefined && (await this.#blobs.stat(child.digest))?.size === entry.size;
  }
}

async function sieve(
  descriptors: readonly Descriptor[],
  isHere: (descriptor: Descriptor) => Promise<boolean>,
): Promise<{ found: Digest[]; missing: Digest[] }> {
  const here = await Promise.all(descriptors.map(isHere));
  const digests = descriptors.map(({ digest }) => digest);
  return { found: digests.filter((_, at) => here[at]), missing: digests.filter((_, at) => !here[at]) };
}

function missingContent(missing: readonly Digest[]): LayerdError {
  return new LayerdError(
    "MANIFEST_BLOB_UNKNOWN",
    `not in this repository: ${missing.slice(0, 3).join(", ")}`,
    {
      detail: { missing },
    },
  );
}

function otherSize(blob: Descriptor, size: number, manifest: ParsedManifest): LayerdError {
  const what = manifest.kind === "image" ? "config or layers" : "manifests";
  const message = `${blob.digest} has ${size} bytes, and the descriptor says ${blob.size}`;
  return faultsError("MANIFEST_INVALID", [{ path: `$ (${what})`, message }]);
}

function otherBytes(expected: Digest, actual: Digest): LayerdError {
  return new LayerdError("DIGEST_INVALID", `the manifest is ${actual}, not ${expected}`, {
    detail: { expected, actual },
  });
}
