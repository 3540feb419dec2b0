import { constants, fstatSync, type Stats } from "node:fs";
import { mkdir, opendir, readdir, stat, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DIGEST_ALGORITHMS, type Digest, type DigestAlgorithm, isDigest } from "../core/digest.ts";
import type { BlobTree } from "./blob-tree.ts";
import type { TransferMemory } from "./buffers.ts";
import { close, isMissing, open, read, remove, toStoreError } from "./disk.ts";
import { FileBlob } from "./file-blob.ts";
import { type FileReader, READ } from "./file-reader.ts";
import type { FreeSpace } from "./free-space.ts";
import {
  algorithmDirectory,
  quarantineDirectory,
  quarantinePath,
  trashDirectory,
  trashPath,
} from "./paths.ts";
import type { BlobStat, BlobSweeper, Discarded, Inspected, Moved, Quarantined } from "./port.ts";

/** Lists and inspects blobs in files, discards, restores and quarantines them: each of these is one rename. */
export class FileSweeper implements BlobSweeper {
  readonly #tree: BlobTree;
  readonly #reader: FileReader;
  readonly #memory: TransferMemory;
  readonly #space: FreeSpace;

  constructor(tree: BlobTree, reader: FileReader, parts: { memory: TransferMemory; space: FreeSpace }) {
    this.#tree = tree;
    this.#reader = reader;
    this.#memory = parts.memory;
    this.#space = parts.space;
  }

  async *list(after?: Digest): AsyncGenerator<Digest> {
    for (const algorithm of DIGEST_ALGORITHMS) {
      const directory = algorithmDirectory(this.#tree.root, algorithm);
      for (const shard of await namesIn(directory)) {
        for (const name of await namesIn(`${directory}/${shard}`)) {
          const digest = digestFrom(algorithm, name);
          if (digest !== undefined && (after === undefined || digest > after)) yield digest;
        }
      }
    }
  }

  async inspect(digest: Digest): Promise<Inspected | undefined> {
    const fd = await open(this.#tree.path(digest), READ).catch(nothing);
    if (fd === undefined) return undefined;
    const found = fstatSync(fd);
    if (!found.isFile()) {
      await close(fd);
      return undefined;
    }
    const handle = new FileBlob({ digest, size: found.size }, fd, this.#memory);
    return { handle, quarantine: () => this.#quarantine(digest, found) };
  }

  async discard(digest: Digest): Promise<BlobStat | undefined> {
    const path = this.#tree.path(digest);
    const found = await stat(path).catch(nothing);
    if (found === undefined) return undefined;
    const moved = await this.#moveOut(digest, trashPath(this.#tree.root, digest));
    return moved ? { digest, size: found.size } : undefined;
  }

  async *discarded(): AsyncGenerator<Discarded> {
    for await (const { movedAt, ...stat } of this.#movedTo(trashDirectory))
      yield { ...stat, discardedAt: movedAt };
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
    try {
      await this.#tree.moveIn(path, digest);
    } catch (error) {
      // Somebody else has purged it, or restored it: then that is still to be made sure of.
      if (!isMissing(error)) throw error;
      return (await this.#reader.stat(digest)) !== undefined;
    }
    await this.#tree.directory(digest).sync();
    return true;
  }

  async purge(digest: Digest): Promise<void> {
    await remove(trashPath(this.#tree.root, digest));
  }

  async *quarantined(): AsyncGenerator<Quarantined> {
    for await (const { movedAt, ...stat } of this.#movedTo(quarantineDirectory)) {
      yield { ...stat, quarantinedAt: movedAt };
    }
  }

  async dispose(digest: Digest): Promise<void> {
    await remove(quarantinePath(this.#tree.root, digest));
  }

  async short(): Promise<boolean> {
    return await this.#space.short();
  }

  /** Its number tells a file from one that has taken its place: no other has it while this one is open. */
  async #quarantine(digest: Digest, { dev, ino }: Stats): Promise<Moved | false> {
    const isThat = (found: Stats | undefined) => found?.dev === dev && found.ino === ino;
    if (!isThat(await stat(this.#tree.path(digest)).catch(nothing))) return false;
    const file = quarantinePath(this.#tree.root, digest);
    if (!(await this.#moveOut(digest, file))) return false;
    if (isThat(await stat(file).catch(nothing))) return { file };
    // Another process has stored it anew just then, and it was that which was moved.
    await this.#tree.moveIn(file, digest).catch((error: unknown) => {
      // Yet another has moved it back already.
      if (!isMissing(error)) throw error;
    });
    await this.#tree.directory(digest).sync();
    return false;
  }

  /** False when it is not there. */
  async #moveOut(digest: Digest, to: string): Promise<boolean> {
    const now = new Date();
    const move = async () => {
      // Before it is moved: were it after, a crash between the two would leave one that looks moved long ago.
      await utimes(this.#tree.path(digest), now, now).catch(fail);
      await this.#tree.moveOut(digest, to);
    };
    try {
      // Either is missing then: the file, or the directory that it is to be in.
      await move().catch(async (error: unknown) => {
        if (!isMissing(error)) throw error;
        await mkdir(dirname(to), { recursive: true }).catch(fail);
        await move();
      });
    } catch (error) {
      if (!isMissing(error)) throw error;
      return false;
    } finally {
      this.#reader.gone(digest);
    }
    return true;
  }

  async *#movedTo(
    directoryOf: (root: string, algorithm: DigestAlgorithm) => string,
  ): AsyncGenerator<BlobStat & { readonly movedAt: Date }> {
    for (const algorithm of DIGEST_ALGORITHMS) {
      const path = directoryOf(this.#tree.root, algorithm);
      const directory = await opendir(path).catch(nothing);
      if (directory === undefined) continue;
      for await (const { name } of directory) {
        const digest = digestFrom(algorithm, name);
        const found = digest && (await stat(join(path, name)).catch(nothing));
        if (digest && found) yield { digest, size: found.size, movedAt: found.mtime };
      }
    }
  }
}

async function namesIn(directory: string): Promise<string[]> {
  return ((await readdir(directory).catch(nothing)) ?? []).sort();
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
