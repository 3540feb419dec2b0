import { constants } from "node:fs";
import { mkdir, opendir, readdir, stat, utimes } from "node:fs/promises";
import { DIGEST_ALGORITHMS, type Digest, type DigestAlgorithm, isDigest } from "../core/digest.ts";
import type { BlobTree } from "./blob-tree.ts";
import { close, isMissing, open, read, remove, toStoreError } from "./disk.ts";
import type { FileReader } from "./file-reader.ts";
import { algorithmDirectory, trashDirectory, trashPath } from "./paths.ts";
import type { BlobStat, BlobSweeper, Discarded } from "./port.ts";

/** Lists, discards and restores blobs in files: both are one rename. */
export class FileSweeper implements BlobSweeper {
  readonly #tree: BlobTree;
  readonly #reader: FileReader;

  constructor(tree: BlobTree, reader: FileReader) {
    this.#tree = tree;
    this.#reader = reader;
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
    await this.#moveToTrash(digest);
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

  async #moveToTrash(digest: Digest): Promise<void> {
    const to = trashPath(this.#tree.root, digest);
    try {
      await this.#tree.moveOut(digest, to);
    } catch (error) {
      if (!isMissing(error)) throw error;
      await mkdir(dirnameOf(to), { recursive: true }).catch(fail);
      await this.#tree.moveOut(digest, to);
    }
  }
}

function dirnameOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
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
