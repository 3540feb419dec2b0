import { constants } from "node:fs";
import { access, mkdir } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { DataDirectoryError } from "./data-directory/errors.ts";
import { explain, syncDirectory } from "./data-directory/files.ts";
import { type Owner, settleLayout } from "./data-directory/layout.ts";
import { lockAlone, lockShared } from "./data-directory/lock.ts";

export { DataDirectoryError, DataDirectoryInUseError } from "./data-directory/errors.ts";

/*
 *   data/
 *     layout.json     {"version":1}, with "database" when that knows what is here
 *     lock            held by the one process that has it for itself
 *     lock.shared     held by those that share it
 *
 * and what the stores put beside them.
 */

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
  /** Who is about to use what is in it. Default: nobody. */
  readonly owner?: Owner;
}

/**
 * Opens a data directory, for this process alone unless it is to be shared.
 * @throws DataDirectoryError when it cannot be written, is in use (DataDirectoryInUseError), is another index's, or has a
 * layout of a later version.
 */
export async function openDataDirectory(options: DataDirectoryOptions): Promise<DataDirectory> {
  const path = resolve(options.path);
  const sync = options.durability === "full";
  await makeWritable(path, sync);
  // While it is settled nobody else gets in.
  const lock = options.shared === true ? await lockShared(path) : lockAlone(path);
  try {
    await settleLayout(path, options.owner, sync);
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
