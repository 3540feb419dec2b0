import { constants } from "node:fs";
import { open } from "node:fs/promises";

/** Makes the names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
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

/** Half a sentence. */
export function explain(error: unknown): string {
  const { code = "", message } = error as NodeJS.ErrnoException;
  return REASONS[code] ?? message;
}
