import type { Logger } from "pino";
import { AuditFile, type AuditTrouble } from "./audit/audit-file.ts";
import { AuditLog, elsewhere } from "./audit/audit-log.ts";
import { ConfigError, FILES, type StoreConfig } from "./config.ts";
import type { Commit } from "./index/port.ts";
import { CommitCounts } from "./metrics/commit-counts.ts";
import type { Listeners, Stores } from "./stores/arrangement.ts";
import { openFiles } from "./stores/files.ts";
import { openMemory } from "./stores/memory.ts";

export type { Stores };

/** What is told of every change: the audit log, and the counts. */
export interface Witnesses {
  readonly audit: AuditLog | undefined;
  readonly commits: CommitCounts;
}

/**
 * Opens what the settings name.
 * @param logAudit takes the lines of the audit log instead of the file that the settings name.
 * @throws ConfigError, DataDirectoryError, DatabaseError, S3StoreError
 */
export async function openStores(
  settings: StoreConfig,
  log: Logger,
  logAudit?: (line: string) => void,
): Promise<Stores & Witnesses> {
  const audit = await openAuditLog(settings, log, logAudit);
  const commits = new CommitCounts();
  const onCommit = (commit: Commit) => {
    commits.add(commit);
    audit?.committed(commit);
  };
  try {
    return { ...(await open(settings, { log, onCommit })), audit, commits };
  } catch (error) {
    await audit?.close();
    throw error;
  }
}

async function open(settings: StoreConfig, listeners: Listeners): Promise<Stores> {
  if (settings.memory) return openMemory(settings, listeners);
  if (settings.index === FILES) return await openFiles(settings, listeners);
  // Whoever has no database need not wait for what reaches one.
  const { openPostgres } = await import("./stores/postgres.ts");
  return await openPostgres(settings, listeners);
}

async function openAuditLog(
  settings: StoreConfig,
  log: Logger,
  logAudit: ((line: string) => void) | undefined,
): Promise<AuditLog | undefined> {
  if (logAudit !== undefined) return new AuditLog(elsewhere(logAudit));
  const file = await openAuditFile(settings, log);
  return file && new AuditLog(file);
}

/** The file that the settings name; `undefined` when they name none. @throws ConfigError */
export async function openAuditFile(
  settings: Pick<StoreConfig, "auditLog" | "auditLogSize" | "auditLogFiles">,
  log: AuditTrouble,
): Promise<AuditFile | undefined> {
  const { auditLog: path, auditLogSize: maxSize, auditLogFiles: keep } = settings;
  if (path === "") return undefined;
  try {
    return await AuditFile.open(path, { maxSize, keep, log });
  } catch (error) {
    const { message } = error as Error;
    throw new ConfigError(
      `the audit log cannot be written: ${message}; auditLog names a file that this user may write, in a directory that is there`,
    );
  }
}

/** To be called when the registry is closed. */
export async function release(stores: Stores & Witnesses): Promise<void> {
  await stores.audit?.close();
  await stores.release();
}
