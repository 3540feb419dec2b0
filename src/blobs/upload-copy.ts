import { constants, fstatSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { chmod, close, datasync, isMissing, open, remove, toStoreError, truncate } from "./disk.ts";
import { OPEN_MODE } from "./upload-file.ts";

/**
 * Copies the first bytes of an upload's file: at no cost where the file system can share them. Resolves with how many
 * there are, at most `size`; `undefined` when the file has gone.
 */
export async function copyUpload(
  from: string,
  to: string,
  size: number,
  durable: boolean,
): Promise<number | undefined> {
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    return await cut(to, size, durable);
  } catch (error) {
    // What cannot be removed now is a leftover.
    await remove(to).catch(() => undefined);
    if (isMissing(error)) return undefined;
    throw toStoreError(error);
  }
}

/** Somebody may have been writing to what was copied, or cutting it. */
async function cut(path: string, size: number, durable: boolean): Promise<number> {
  const fd = await openCopy(path);
  try {
    const length = Math.min(size, fstatSync(fd).size);
    await truncate(fd, length);
    if (durable) await datasync(fd);
    return length;
  } finally {
    await close(fd);
  }
}

/** It has the mode of what it was made of, which may be that of a blob. */
async function openCopy(path: string): Promise<number> {
  const reading = await open(path, constants.O_RDONLY);
  await chmod(reading, OPEN_MODE).finally(() => close(reading));
  return await open(path, constants.O_RDWR);
}
