import { constants } from "node:fs";
import { opendir, readdir, stat, utimes } from "node:fs/promises";
import { DIGEST_ALGORITHMS, type Digest, type DigestAlgorithm, isDigest } from "../core/digest.ts";
import type { BlobTree } from "./blob-tree.ts";
import { close, isMissing, open, read, remove, toStoreError } from "./disk.ts";
import type { FileReader } from "./file-reader.ts";
import type { FreeSpace } from "./free-space.ts";
import { algorithmDirectory, trashDirectory, trashPath } from "./paths.ts";
import type { BlobStat, BlobSweeper, Discarded } from "./port.ts";

/** Lists, discards and restores blobs in files: both are one rename. */
export class FileSweeper implements BlobSweeper {
  readonly #tree: BlobTree;
  readonly #reader: FileReader;
  readonly #space: FreeSpace;

  constructor(tree: BlobTree, reader: FileReader, space: FreeSpace) {
    this.#tree = tree;
    this.#reader = reader;
    this.#space = space;
  }

  async *list(): AsyncGenerator<Digest> {
    for (const algorithm of DIGEST_ALGORITHMS) {
      const directory = algorithmDirectory(this.#tree.root, algorithm);
      for (const shard of await namesIn(directory)) {
        for (const name of await namesIn(`${directory}/${shard}`)) {
          const digest = digestFrom(algorithm, name);
          if (digest !== undefined) yield digest;
        }
      }
    }
  }

  async discard(digest: Digest): Promise<BlobStat | undefined> {
    const path = this.#tree.path(digest);
    const found = await stat(path).catch(nothing);
    if (found === undefined) return undefined;
    const now = new Date();
    // Before it is moved: were it after, a crash between the two would leave one that looks long discarded.
    await utimes(path, now, now).catch(fail);
    await this.#tree.moveOut(digest, trashPath(this.#tree.root, digest));
    this.#reader.gone(digest);
    return { digest, size: found.size };
  }

  async *discarded(): AsyncGenerator<Discarded> {
    for (const algorithm of DIGEST_ALGORITHMS) {
      const directory = await opendir(trashDirectory(this.#tree.root, algorithm)).catch(nothing);
      if (directory === undefined) continue;
      for await (const { name } of directory) {
        const digest = digestFrom(algorithm, name);
        const found = digest && (await stat(trashPath(this.#tree.root, digest)).catch(nothing));
        if (digest && found) yield { digest, size: found.size, discardedAt: found.mtime };
      }
    }
  }

  async peek(digest: Digest, length: number): Promise<Buffer | undefined> {
    const fd = await open(trashPath(this.#tree.root, digest), constants.O_RDONLY).catch(nothing);
    if (fd === undefined) return undefined;
    try {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, await read(fd, bytes, length, 0));
    } finally {
      await close(fd);
    }
  }

  async restore(digest: Digest): Promise<boolean> {
    const path = trashPath(this.#tree.root, digest);
    if ((await stat(path).catch(nothing)) === undefined) return false;
    await this.#tree.moveIn(path, digest);
    await this.#tree.directory(digest).sync();
    return true;
  }

  async purge(digest: Digest): Promise<void> {
    await remove(trashPath(this.#tree.root, digest));
  }

  async short(): Promise<boolean> {
    return await this.#space.short();
  }
}

async function namesIn(directory: string): Promise<string[]> {
  return (await readdir(directory).catch(nothing)) ?? [];
}

/** `undefined` for what somebody else has put there. */
function digestFrom(algorithm: DigestAlgorithm, name: string): Digest | undefined {
  const text = `${algorithm}:${name}`;
  return isDigest(text) ? text : undefined;
}

function nothing(error: unknown): undefined {
  if (!isMissing(error)) fail(error);
}

function fail(error: unknown): never {
  throw toStoreError(error);
}
