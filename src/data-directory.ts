import { constants } from "node:fs";
import { access, mkdir, open, readFile, rename } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { StartError } from "./core/start-error.ts";

/*
 *   data/
 *     layout.json     {"version":1}
 *     lock            held by the one process that writes
 *
 * and what the stores put beside them.
 */

const LAYOUT_VERSION = 1;

/** Why a data directory cannot be used, in one sentence for whoever started the process. */
export class DataDirectoryError extends StartError {
  override readonly name: string = "DataDirectoryError";
}

/** Another process has it open. */
export class DataDirectoryInUseError extends DataDirectoryError {}

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
}

/**
 * Opens a data directory for this process alone.
 * @throws DataDirectoryError when it cannot be written, is in use (DataDirectoryInUseError), or has a layout of a later version.
 */
export async function openDataDirectory(options: DataDirectoryOptions): Promise<DataDirectory> {
  const path = resolve(options.path);
  const sync = options.durability === "full";
  await makeWritable(path, sync);
  const lock = takeLock(path);
  try {
    await settleLayout(path, sync);
  } catch (error) {
    lock.close();
    throw error;
  }
  return {
    path,
    close: async () => {
      if (lock.isOpen) lock.close();
    },
  };
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

// https://sqlite.org/rescode.html
const SQLITE_BUSY = 5;
// Only ever waited for while somebody else commits one row.
const READ_TIMEOUT = 1000;

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** ISO 8601. */
  readonly since: string;
}

/**
 * The lock is a write transaction that stays open on an SQLite file: the kernel ends it with the process,
 * however that dies, which no file with a process number in it can say of itself (in containers every
 * server is number 1). Others can still read the row that names the holder, for that was committed before.
 *
 * These are POSIX locks: a process that opens and closes the file by other means loses its own.
 */
function takeLock(path: string): DatabaseSync {
  const file = join(path, "lock");
  const self: Holder = { pid: process.pid, host: hostname(), since: new Date().toISOString() };
  const database = openLock(file);
  try {
    database.exec("BEGIN IMMEDIATE");
    recordHolder(database, self);
    database.exec("BEGIN IMMEDIATE");
    return database;
  } catch (error) {
    const busy = (error as { errcode?: number }).errcode === SQLITE_BUSY;
    const holder = busy ? describe(database, self) : undefined;
    database.close();
    if (holder === undefined) throw lockError(file, error);
    throw new DataDirectoryInUseError(`the data directory ${path} is in use by ${holder}`, { cause: error });
  }
}

function openLock(file: string): DatabaseSync {
  try {
    return new DatabaseSync(file, { timeout: 0 });
  } catch (error) {
    throw lockError(file, error);
  }
}

function lockError(file: string, error: unknown): DataDirectoryError {
  return new DataDirectoryError(`the lock ${file} cannot be taken: ${(error as Error).message}`, {
    cause: error,
  });
}

/** Ends the transaction that is open. The lock counts without the row: a full disk must not stop a start. */
function recordHolder(database: DatabaseSync, { pid, host, since }: Holder): void {
  try {
    database.exec("CREATE TABLE IF NOT EXISTS holder (pid INTEGER, host TEXT, since TEXT)");
    database.exec("DELETE FROM holder");
    database.prepare("INSERT INTO holder VALUES (?, ?, ?)").run(pid, host, since);
    database.exec("COMMIT");
  } catch {
    if (database.isTransaction) database.exec("ROLLBACK");
  }
}

function describe(database: DatabaseSync, self: Holder): string {
  const holder = readHolder(database);
  // Somebody came between this process's two transactions, and has not written their name yet.
  const own = holder?.pid === self.pid && holder.host === self.host && holder.since === self.since;
  if (holder === undefined || own) return "another process";
  return `process ${holder.pid} on ${holder.host}, since ${holder.since}`;
}

function readHolder(database: DatabaseSync): Holder | undefined {
  try {
    database.exec(`PRAGMA busy_timeout = ${READ_TIMEOUT}`);
    const row = database.prepare("SELECT pid, host, since FROM holder").get();
    return row && { pid: Number(row.pid), host: String(row.host), since: String(row.since) };
  } catch {
    return undefined;
  }
}
