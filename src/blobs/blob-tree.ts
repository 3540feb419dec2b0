import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { algorithmOf, DIGEST_ALGORITHMS, type Digest, type DigestAlgorithm } from "../core/digest.ts";
import { isMissing, rename, toStoreError } from "./disk.ts";
import {
  algorithmDirectory,
  blobPath,
  blobsDirectory,
  shardDirectory,
  shardOf,
  trashDirectory,
  uploadsDirectory,
} from "./paths.ts";
import { SyncedDirectory } from "./sync.ts";

interface Branch {
  readonly directory: SyncedDirectory;
  readonly shards: Map<string, SyncedDirectory>;
}

/** The directories of a store, and which of their names are durable. */
export class BlobTree {
  readonly root: string;
  readonly uploads: SyncedDirectory;
  /** Whether other processes use it. */
  readonly shared: boolean;
  readonly #sync: ((path: string) => Promise<void>) | undefined;
  readonly #branches: Readonly<Record<DigestAlgorithm, Branch>>;

  /** @param sync how a directory is made durable; `undefined` leaves it to the kernel. */
  constructor(root: string, sync: ((path: string) => Promise<void>) | undefined, shared = false) {
    this.root = root;
    this.shared = shared;
    this.#sync = sync;
    this.uploads = this.#directory(uploadsDirectory(root));
    this.#branches = { sha256: this.#branch("sha256"), sha512: this.#branch("sha512") };
  }

  /** Makes what is missing of the directories, but for the shards, which come with their first blob. */
  async prepare(): Promise<void> {
    const made = await mkdir(this.root, { recursive: true });
    for (const algorithm of DIGEST_ALGORITHMS) {
      await mkdir(algorithmDirectory(this.root, algorithm), { recursive: true });
    }
    await mkdir(this.uploads.path, { recursive: true });
    // Made in advance: on a full disk there would be no room for a directory.
    for (const algorithm of DIGEST_ALGORITHMS) {
      await mkdir(trashDirectory(this.root, algorithm), { recursive: true });
    }
    // A directory is as durable as its name in the one above it.
    const above = made === undefined ? [] : ancestors(this.root, dirname(made));
    for (const path of [blobsDirectory(this.root), this.root, ...above]) await this.#sync?.(path);
  }

  /** Where a blob is, if it is there. */
  path(digest: Digest): string {
    return blobPath(this.root, digest);
  }

  /** The directory a blob is in: once it is settled, what is visible in it is durable. */
  directory(digest: Digest): SyncedDirectory {
    const { directory: parent, shards } = this.#branches[algorithmOf(digest)];
    const name = shardOf(digest);
    const known = shards.get(name);
    if (known !== undefined) return known;
    const directory = this.#directory(shardDirectory(this.root, digest), parent);
    shards.set(name, directory);
    return directory;
  }

  /** Moves a file under its digest, in place of one that is there. Durable after a sync of its directory. */
  async moveIn(from: string, digest: Digest): Promise<void> {
    const directory = this.directory(digest);
    await directory.change(async () => {
      try {
        await rename(from, this.path(digest));
      } catch (error) {
        if (!isMissing(error)) throw error;
        await this.#makeShard(directory.path, digest);
        await rename(from, this.path(digest));
      }
    });
  }

  /** Moves a file away from its digest. */
  async moveOut(digest: Digest, to: string): Promise<void> {
    await this.directory(digest).change(() => rename(this.path(digest), to));
  }

  async #makeShard(path: string, digest: Digest): Promise<void> {
    await this.#branches[algorithmOf(digest)].directory.change(async () => {
      await mkdir(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "EEXIST") throw toStoreError(error);
      });
    });
  }

  #branch(algorithm: DigestAlgorithm): Branch {
    return { directory: this.#directory(algorithmDirectory(this.root, algorithm)), shards: new Map() };
  }

  #directory(path: string, parent?: SyncedDirectory): SyncedDirectory {
    const options = { sync: this.#sync, shared: this.shared };
    return new SyncedDirectory(path, parent === undefined ? options : { ...options, parent });
  }
}

/** The directories above `path`, up to and with `last`. */
function ancestors(path: string, last: string): string[] {
  const above = dirname(path);
  return above === last || above === path ? [above] : [above, ...ancestors(above, last)];
}
