import { closeSync, constants, fstatSync, openSync, type Stats } from "node:fs";
import { stat } from "node:fs/promises";
import type { Awaitable } from "../core/awaitable.ts";
import { algorithmOf, type Digest, digestOf } from "../core/digest.ts";
import { LayerdError } from "../core/errors.ts";
import type { BlobTree } from "./blob-tree.ts";
import type { TransferMemory } from "./buffers.ts";
import { BytesBlob } from "./bytes-blob.ts";
import { close, isMissing, open, read, toStoreError } from "./disk.ts";
import { FileBlob } from "./file-blob.ts";
import { type KnownBlob, KnownBlobs } from "./known-blobs.ts";
import type { BlobLog } from "./log.ts";
import type { BlobHandle, BlobReader, BlobStat } from "./port.ts";

/** Of reads of small blobs, how many had their bytes in memory. */
export interface CacheCounts {
  hits: number;
  misses: number;
}

// Bytes. A blob up to this size is read whole, verified and kept in memory.
const SMALL = 64 * 1024;

// Not to block, should there be a pipe under the name of a blob. Means nothing for files.
export const READ = constants.O_RDONLY | constants.O_NONBLOCK;

/** Blobs in files. What was looked at lately is answered without another thread. */
export class FileReader implements BlobReader {
  readonly #counts: CacheCounts;
  readonly #tree: BlobTree;
  readonly #memory: TransferMemory;
  readonly #log: BlobLog | undefined;
  readonly #known = new KnownBlobs();
  #closed = false;

  constructor(parts: {
    tree: BlobTree;
    memory: TransferMemory;
    log: BlobLog | undefined;
    counts?: CacheCounts | undefined;
  }) {
    this.#counts = parts.counts ?? { hits: 0, misses: 0 };
    this.#tree = parts.tree;
    this.#memory = parts.memory;
    this.#log = parts.log;
  }

  stat(digest: Digest): Promise<BlobStat | undefined> {
    const known = this.#atOnce(digest);
    if (known === undefined) return this.#look(digest);
    return Promise.resolve(known.rotten ? undefined : known.stat);
  }

  open(digest: Digest): Awaitable<BlobHandle | undefined> {
    const known = this.#atOnce(digest);
    if (known === undefined) return this.#open(digest);
    if (known.rotten) return undefined;
    if (known.blob === undefined) return this.#openKnown(known) ?? this.#open(digest);
    this.#counts.hits += 1;
    return known.blob;
  }

  /** A blob has just been stored: whoever asks for it next need not look. */
  stored({ digest }: BlobStat, found: Stats): void {
    this.#learn(digest, found, this.#tree.directory(digest).version, {});
  }

  /** A blob has just been moved away: nothing that is remembered of it holds. */
  gone(digest: Digest): void {
    this.#known.forget(digest);
  }

  /** Nothing is found any more. Open handles stay readable. */
  close(): void {
    this.#closed = true;
  }

  /**
   * What is known well enough to be told at once. Nothing is where other processes move blobs: a look is due each time
   * then, and not from this thread, for a file may be far away.
   */
  #atOnce(digest: Digest): KnownBlob | undefined {
    if (this.#closed || this.#tree.shared) return undefined;
    const known = this.#known.get(digest);
    return known?.directory.settled === true ? known : undefined;
  }

  async #look(digest: Digest): Promise<BlobStat | undefined> {
    this.#assertOpen();
    const directory = this.#tree.directory(digest);
    const { version } = directory;
    const found = await stat(this.#tree.path(digest)).catch(nothing);
    if (found === undefined || !found.isFile()) return undefined;
    await this.#settle(digest, found);
    // It may have become known meanwhile, and then more is known than can be told from here.
    const known = this.#known.same(digest, found) ?? this.#learn(digest, found, version, {});
    return known.rotten ? undefined : known.stat;
  }

  async #open(digest: Digest): Promise<BlobHandle | undefined> {
    this.#assertOpen();
    const { version } = this.#tree.directory(digest);
    const fd = await open(this.#tree.path(digest), READ).catch(nothing);
    if (fd === undefined) return undefined;
    let handle: BlobHandle | undefined;
    try {
      handle = await this.#handle(digest, fd, version);
      return handle;
    } finally {
      if (!(handle instanceof FileBlob)) await close(fd);
    }
  }

  async #handle(digest: Digest, fd: number, version: number): Promise<BlobHandle | undefined> {
    const found = fstatSync(fd);
    if (!found.isFile()) return undefined;
    await this.#settle(digest, found);
    const known = this.#known.same(digest, found);
    if (known?.rotten === true) return undefined;
    if (known?.blob !== undefined) {
      this.#counts.hits += 1;
      return known.blob;
    }
    if (found.size <= SMALL) return await this.#load(digest, fd, found, version);
    return new FileBlob(this.#learn(digest, found, version, {}).stat, fd, this.#memory);
  }

  /** Makes sure that the name under which a file was found is durable. It was, of one that is known. */
  async #settle(digest: Digest, found: Stats): Promise<void> {
    const directory = this.#tree.directory(digest);
    if (this.#known.same(digest, found) === undefined || !directory.settled) await directory.sync();
  }

  /** A large blob that was looked at before: the kernel has at hand what opening it takes. */
  #openKnown({ path, stat }: KnownBlob): BlobHandle | undefined {
    if (stat.size <= SMALL) return undefined;
    let fd: number;
    try {
      fd = openSync(path, READ);
    } catch {
      // Looking for it anew tells what is wrong.
      return undefined;
    }
    const found = fstatSync(fd);
    if (found.isFile() && found.size === stat.size) return new FileBlob(stat, fd, this.#memory);
    closeSync(fd);
    return undefined;
  }

  async #load(digest: Digest, fd: number, found: Stats, version: number): Promise<BlobHandle | undefined> {
    this.#counts.misses += 1;
    const bytes = Buffer.allocUnsafeSlow(found.size);
    let length = 0;
    for (let count = 1; count > 0 && length < bytes.length; length += count) {
      count = await read(fd, bytes.subarray(length), bytes.length - length, length);
    }
    if (length === bytes.length && digestOf(bytes, algorithmOf(digest)) === digest) {
      return this.#learn(digest, found, version, { blob: new BytesBlob(digest, bytes) }).blob;
    }
    const { path } = this.#learn(digest, found, version, { rotten: true });
    this.#log?.warn({ digest, path }, "a blob is damaged: it is not served until it has been pushed again");
    return undefined;
  }

  /**
   * Not remembered when names in the directory have changed since it was looked at (its `version` then): the blob
   * may have been moved away, and whoever asked for it next would be told that it is there.
   */
  #learn(
    digest: Digest,
    { size, ino, mtimeMs }: Stats,
    version: number,
    about: { blob?: BytesBlob; rotten?: boolean },
  ): KnownBlob {
    const directory = this.#tree.directory(digest);
    const known = {
      path: this.#tree.path(digest),
      stat: { digest, size },
      directory,
      blob: about.blob,
      rotten: about.rotten ?? false,
      ino,
      mtimeMs,
      seenAt: performance.now(),
    };
    if (directory.version === version) this.#known.learn(known);
    return known;
  }

  #assertOpen(): void {
    if (this.#closed) throw new LayerdError("UNAVAILABLE", "the store is closed");
  }
}

function nothing(error: unknown): undefined {
  if (isMissing(error)) return undefined;
  throw toStoreError(error);
}
