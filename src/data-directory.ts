import { constants } from "node:fs";
import { access, mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { DataDirectoryError } from "./data-directory/errors.ts";
import { lockAlone, lockShared } from "./data-directory/lock.ts";

export { DataDirectoryError, DataDirectoryInUseError } from "./data-directory/errors.ts";

/*
 *   data/
 *     layout.json     {"version":1}
 *     lock            held by the one process that has it for itself
 *     lock.shared     held by those that share it
 *
 * and what the stores put beside them.
 */

const LAYOUT_VERSION = 1;

export interface DataDirectory {
  /** Absolute. */
  readonly path: string;
  /** Lets others open it. Idempotent. */
  close(): Promise<void>;
}

export interface DataDirectoryOptions {
  /** Made, with its parents, when it is not there. */
  readonly path: string;
  /** `full`: what is made here survives a power cut. */
  readonly durability: "full" | "os";
  /** Whether others may share it, on this machine or another. Default: false. */
  readonly shared?: boolean;
}

/**
 * Opens a data directory, for this process alone unless it is to be shared.
 * @throws DataDirectoryError when it cannot be written, is in use (DataDirectoryInUseError), or has a layout of a later version.
 */
export async function openDataDirectory(options: DataDirectoryOptions): Promise<DataDirectory> {
  const path = resolve(options.path);
  const sync = options.durability === "full";
  await makeWritable(path, sync);
  // While it is settled nobody else gets in.
  const lock = options.shared === true ? await lockShared(path) : lockAlone(path);
  try {
    await settleLayout(path, sync);
  } catch (error) {
    lock.close();
    throw error;
  }
  lock.settled();
  return { path, close: async () => lock.close() };
}

async function makeWritable(path: string, sync: boolean): Promise<void> {
  try {
    const first = await mkdir(path, { recursive: true });
    if (sync && first !== undefined) await syncFrom(dirname(first), dirname(path));
    await access(path, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new DataDirectoryError(`the data directory ${path} cannot be written: ${explain(error)}`, {
      cause: error,
    });
  }
}

/** Syncs `last` and the directories above it, up to `first`. */
async function syncFrom(first: string, last: string): Promise<void> {
  for (let path = last; ; path = dirname(path)) {
    await syncDirectory(path);
    if (path === first || path === dirname(path)) return;
  }
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  await handle
    .sync()
    .catch((error: NodeJS.ErrnoException) => {
      // A file system that has no such operation; it keeps names in its own way.
      if (error.code !== "EINVAL") throw error;
    })
    .finally(() => handle.close());
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  EEXIST: "there is a file of that name",
  ENOTDIR: "a file stands where one of its directories should be",
  ENOSPC: "the disk is full",
};

function explain(error: unknown): string {
  const { code = "", message } = error as NodeJS.ErrnoException;
  return REASONS[code] ?? message;
}

async function settleLayout(path: string, sync: boolean): Promise<void> {
  const file = join(path, "layout.json");
  const version = await layoutVersion(file);
  if (version === undefined) await writeLayout(path, file, sync);
  else if (version > LAYOUT_VERSION) {
    throw new DataDirectoryError(
      `the data directory ${path} has layout ${version}, written by a newer layerd: this one knows ${LAYOUT_VERSION}`,
    );
  }
}

async function layoutVersion(file: string): Promise<number | undefined> {
  try {
    const layout: unknown = JSON.parse(await readFile(file, "utf8"));
    if (typeof layout === "object" && layout !== null && "version" in layout) {
      if (Number.isSafeInteger(layout.version)) return Number(layout.version);
    }
    throw new Error("no version in it");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new DataDirectoryError(`${file} cannot be read: ${explain(error)}`, { cause: error });
  }
}

async function writeLayout(path: string, file: string, sync: boolean): Promise<void> {
  try {
    const handle = await open(`${file}.new`, "w", 0o644);
    try {
      await handle.writeFile(`${JSON.stringify({ version: LAYOUT_VERSION })}\n`);
      if (sync) await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(`${file}.new`, file);
    if (sync) await syncDirectory(path);
  } catch (error) {
    throw new DataDirectoryError(`${file} cannot be written: ${explain(error)}`, { cause: error });
  }
}
