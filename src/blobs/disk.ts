import * as fs from "node:fs";
import { isLayerdError, LayerdError } from "../core/errors.ts";

/*
 * The calls that the store makes on open files. Plain descriptors rather than FileHandle: these are the calls
 * that a transfer makes for every buffer. A disk that is full and a machine that has run out of something are
 * told in the store's own words; other failures stay what they are.
 */

export function open(path: string, flags: number, mode?: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.open(path, flags, mode, (error, fd) => (error === null ? resolve(fd) : reject(toStoreError(error))));
  });
}

/** Resolves with the bytes read: fewer than asked for at the end of the file. */
export function read(fd: number, into: Uint8Array, length: number, at: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, into, 0, length, at, (error, count) => {
      if (error === null) resolve(count);
      else reject(toStoreError(error));
    });
  });
}

/** Resolves with the bytes written, which may be fewer than given. */
export function write(fd: number, bytes: Uint8Array, from: number, at: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.write(fd, bytes, from, bytes.length - from, at, (error, count) => {
      if (error === null) resolve(count);
      else reject(toStoreError(error));
    });
  });
}

/** Writes pieces one behind the other. Resolves with the bytes written, which may be fewer than given. */
export function writePieces(fd: number, pieces: readonly Uint8Array[], at: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.writev(fd, pieces, at, (error, count) => {
      if (error === null) resolve(count);
      else reject(toStoreError(error));
    });
  });
}

export function datasync(fd: number): Promise<void> {
  return settled((done) => fs.fdatasync(fd, done));
}

export function truncate(fd: number, size: number): Promise<void> {
  return settled((done) => fs.ftruncate(fd, size, done));
}

export function chmod(fd: number, mode: number): Promise<void> {
  return settled((done) => fs.fchmod(fd, mode, done));
}

export function rename(from: string, to: string): Promise<void> {
  return settled((done) => fs.rename(from, to, done));
}

/** Handing this to another thread costs more than doing it, unless the file goes with its last descriptor. */
export async function close(fd: number): Promise<void> {
  if (fs.fstatSync(fd).nlink > 0) fs.closeSync(fd);
  else await settled((done) => fs.close(fd, done));
}

/** Also when there is no such file. */
export function remove(path: string): Promise<void> {
  return settled((done) =>
    fs.unlink(path, (error) => done(error !== null && isMissing(error) ? null : error)),
  );
}

/** Makes the names in a directory durable. It has just been changed: the kernel has at hand what opening it takes. */
export async function syncDirectory(path: string): Promise<void> {
  const fd = openDirectory(path);
  try {
    await settled((done) => fs.fsync(fd, done));
  } catch (error) {
    // What a file system says that has no such operation; it keeps names in its own way.
    if ((error as NodeJS.ErrnoException).code !== "EINVAL") throw error;
  } finally {
    fs.closeSync(fd);
  }
}

function openDirectory(path: string): number {
  try {
    return fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  } catch (error) {
    throw toStoreError(error);
  }
}

/** Nothing is there; also when a file stands where a directory of the path would. */
export function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENOTDIR";
}

const FULL = new Set(["ENOSPC", "EDQUOT"]);
const EXHAUSTED = new Set(["EMFILE", "ENFILE", "ENOMEM", "EAGAIN", "EIO", "EROFS", "ESTALE"]);

/** STORE_FULL or UNAVAILABLE where the machine is the cause, else the error as it is. */
export function toStoreError(error: unknown): unknown {
  if (isLayerdError(error)) return error;
  const code = (error as NodeJS.ErrnoException).code ?? "";
  if (FULL.has(code)) return new LayerdError("STORE_FULL", undefined, { cause: error });
  if (EXHAUSTED.has(code)) return new LayerdError("UNAVAILABLE", undefined, { cause: error });
  return error;
}

function settled(call: (done: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    call((error) => (error === null ? resolve() : reject(toStoreError(error))));
  });
}
