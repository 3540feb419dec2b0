import { hostname } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { DataDirectoryError, DataDirectoryInUseError } from "./errors.ts";

/*
 * Locks are transactions that stay open on SQLite files: the kernel ends them with the process, however that dies,
 * which no file with a process number in it can say of itself (in containers every server is number 1). Over NFS it is
 * the NFS server that keeps them.
 *
 * Whoever wants the directory for itself keeps a write transaction on `lock`. Those who share it keep a read
 * transaction on `lock.shared`, and hold `lock` only while they start. `lock.shared` is touched by nobody but who
 * holds `lock`, so that of two who start at the same time each sees the other.
 *
 * These are POSIX locks: a process that opens and closes one of the files by other means loses its own.
 */

// https://sqlite.org/rescode.html
const SQLITE_BUSY = 5;
// Milliseconds. Only ever waited for while somebody else commits one row.
const READ_TIMEOUT = 1000;
// Milliseconds that a process which shares waits for others that are starting, and between two attempts.
const START_WITHIN = 5000;
const TRY_EVERY = 10;

export interface DirectoryLock {
  /** The directory is as it should be: others who share it may come in. */
  settled(): void;
  /** Lets others have it. Idempotent. */
  close(): void;
}

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** ISO 8601. */
  readonly since: string;
}

/** For this process alone. @throws DataDirectoryError, DataDirectoryInUseError */
export function lockAlone(path: string): DirectoryLock {
  const self = describeSelf();
  const lock = openLock(path, "lock");
  try {
    take(lock, path, self);
    refuseSharing(path, lock);
    recordHolder(lock, self);
    // Others can still read the row that names the holder, for it was committed before. Between the two, somebody else
    // may have come.
    take(lock, path, self);
    refuseSharing(path, undefined);
  } catch (error) {
    lock.close();
    throw error;
  }
  return { settled: () => undefined, close: () => closeAll(lock) };
}

/** Together with others who share it. Waits for those that are just starting. @throws DataDirectoryError, DataDirectoryInUseError */
export async function lockShared(path: string): Promise<DirectoryLock> {
  const self = describeSelf();
  const lock = openLock(path, "lock");
  const opened = [lock];
  try {
    for (const until = Date.now() + START_WITHIN; !begin(lock, "BEGIN IMMEDIATE"); await delay(TRY_EVERY)) {
      if (Date.now() > until) throw inUse(path, describe(readHolder(lock), self));
    }
    const shared = openLock(path, "lock.shared");
    opened.push(shared);
    share(shared);
  } catch (error) {
    closeAll(...opened);
    throw toLockError(path, error);
  }
  return {
    settled: () => {
      recordHolder(lock, self);
      closeAll(lock);
    },
    close: () => closeAll(...opened),
  };
}

function describeSelf(): Holder {
  return { pid: process.pid, host: hostname(), since: new Date().toISOString() };
}

function openLock(path: string, name: string): DatabaseSync {
  const file = join(path, name);
  try {
    return new DatabaseSync(file, { timeout: 0 });
  } catch (error) {
    throw toLockError(file, error);
  }
}

function closeAll(...databases: readonly DatabaseSync[]): void {
  for (const database of databases) if (database.isOpen) database.close();
}

/** Begins a transaction; false when somebody's lock is in its way. */
function begin(database: DatabaseSync, statement: string): boolean {
  try {
    database.exec(statement);
    return true;
  } catch (error) {
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return false;
    throw toLockError(database.location() ?? "", error);
  }
}

function take(lock: DatabaseSync, path: string, self: Holder): void {
  if (!begin(lock, "BEGIN IMMEDIATE")) throw inUse(path, describe(readHolder(lock), self));
}

/** From the first read on, to the end of the transaction. */
function share(database: DatabaseSync): void {
  database.exec("BEGIN");
  database.prepare("SELECT count(*) FROM sqlite_schema").get();
}

/**
 * For who holds `lock`.
 * @param lock where those who share have put their names; absent when it has another name in it by now.
 */
function refuseSharing(path: string, lock: DatabaseSync | undefined): void {
  const shared = openLock(path, "lock.shared");
  try {
    if (begin(shared, "BEGIN EXCLUSIVE")) return;
    const last = lock && readHolder(lock);
    const who = last === undefined ? "" : ` (the last to come was ${nameOf(last)})`;
    throw inUse(path, `processes that share it${who}`);
  } finally {
    shared.close();
  }
}

function inUse(path: string, holder: string): DataDirectoryInUseError {
  return new DataDirectoryInUseError(`the data directory ${path} is in use by ${holder}`);
}

function toLockError(file: string, error: unknown): unknown {
  if (error instanceof DataDirectoryError) return error;
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

function describe(holder: Holder | undefined, self: Holder): string {
  // Somebody came between this process's two transactions, and has not written their name yet.
  const own = holder?.pid === self.pid && holder.host === self.host && holder.since === self.since;
  return holder === undefined || own ? "another process" : nameOf(holder);
}

function nameOf({ pid, host, since }: Holder): string {
  return `process ${pid} on ${host}, since ${since}`;
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
