import { constants, type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { setImmediate as turn } from "node:timers/promises";

/**
 * All that the journal asks of a file system. What counts here is what a power cut leaves: content is safe
 * after `sync` of its file, a name (new, changed or gone) after `syncDirectory` of the directory it is in.
 */
export interface Disk {
  /**
   * Shows the content piece by piece, each valid during the call only. False when there is no such file.
   * What is read is relied upon, so it is synced first: a process that was killed may not have come to it.
   */
  read(path: string, show: (chunk: Buffer) => void): Promise<boolean>;
  /** Bytes of a file; `undefined` when there is no such file. */
  size(path: string): Promise<number | undefined>;
  /** The names in a directory, in any order; none when there is no such directory. */
  list(path: string): Promise<string[]>;
  /** Opens a file for writing, and creates an empty one when there is none. The caller closes it. */
  open(path: string): Promise<DiskFile>;
  rename(from: string, to: string): Promise<void>;
  /** Also when there is no such file. */
  remove(path: string): Promise<void>;
  /** Makes one directory in one that exists; also when it is there. */
  makeDirectory(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
}

export interface DiskFile {
  /** Bytes. */
  size(): Promise<number>;
  /** Writes all of `bytes` from offset `at`, or throws, having written any part of them. */
  write(bytes: Buffer, at: number): Promise<void>;
  /** Cuts the file off at `size` bytes. */
  truncate(size: number): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** `full`: what is synced survives a power cut. `os`: nothing is synced; it survives the process only. */
export type Durability = "full" | "os";

// Bytes. What is in a slice is folded without a break, and others wait: for an eighth of a millisecond.
const CHUNK = 256 * 1024;
const SLICE = 8 * 1024;

export function createDisk(durability: Durability): Disk {
  const full = durability === "full";
  const sync = full ? (handle: FileHandle) => handle.datasync() : async () => {};
  return {
    async read(path, show) {
      const handle = await open(path, "r").catch(unlessMissing);
      if (handle === undefined) return false;
      await sync(handle)
        .then(() => readAll(handle, show))
        .finally(() => handle.close());
      return true;
    },
    async size(path) {
      return (await stat(path).catch(unlessMissing))?.size;
    },
    async list(path) {
      return (await readdir(path).catch(unlessMissing)) ?? [];
    },
    async open(path) {
      return new RealFile(await open(path, constants.O_RDWR | constants.O_CREAT, 0o644), sync);
    },
    rename,
    async remove(path) {
      await rm(path, { force: true });
    },
    async makeDirectory(path) {
      // Not `recursive`: that would make parents that nobody syncs.
      await mkdir(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "EEXIST") throw error;
      });
    },
    async syncDirectory(path) {
      if (!full) return;
      const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
      // Not `datasync`, which may leave out names (ext4 counts them as metadata of the directory).
      await handle
        .sync()
        .catch(unlessUnsupported)
        .finally(() => handle.close());
    },
  };
}

/** ENOTDIR: a file stands where a directory of the path would; what was asked for is not there either. */
function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT" && error.code !== "ENOTDIR") throw error;
}

/** EINVAL: a file system that has no such operation; it keeps names in its own way. */
function unlessUnsupported(error: NodeJS.ErrnoException): void {
  if (error.code !== "EINVAL") throw error;
}

async function readAll(handle: FileHandle, show: (chunk: Buffer) => void): Promise<void> {
  const buffer = Buffer.allocUnsafe(CHUNK);
  for (;;) {
    const { bytesRead } = await handle.read(buffer, 0, CHUNK, null);
    if (bytesRead === 0) return;
    for (let at = 0; at < bytesRead; at += SLICE) {
      show(buffer.subarray(at, Math.min(at + SLICE, bytesRead)));
      await turn();
    }
  }
}

class RealFile implements DiskFile {
  readonly #handle: FileHandle;
  readonly #sync: (handle: FileHandle) => Promise<void>;

  constructor(handle: FileHandle, sync: (handle: FileHandle) => Promise<void>) {
    this.#handle = handle;
    this.#sync = sync;
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async write(bytes: Buffer, at: number): Promise<void> {
    const { bytesWritten } = await this.#handle.write(bytes, 0, bytes.length, at);
    if (bytesWritten !== bytes.length)
      throw new Error(`only ${bytesWritten} of ${bytes.length} bytes written`);
  }

  async truncate(size: number): Promise<void> {
    await this.#handle.truncate(size);
  }

  sync(): Promise<void> {
    return this.#sync(this.#handle);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
