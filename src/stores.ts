import type { Logger } from "pino";
import { AuditLog } from "./audit/audit-log.ts";
import type { CacheCounts } from "./blobs/file-reader.ts";
import { openFilesystemBlobs } from "./blobs/filesystem.ts";
import { createMemoryBlobs } from "./blobs/memory.ts";
import type { BlobStore, ScrubNotes } from "./blobs/port.ts";
import { fileScrubNotes } from "./blobs/scrub-note.ts";
import { ConfigError, FILES, type StoreConfig } from "./config.ts";
import { type DataDirectory, openDataDirectory } from "./data-directory.ts";
import { openJournalIndex } from "./index/journal.ts";
import { createMemoryIndex } from "./index/memory.ts";
import type { Commit, Index, OnCommit } from "./index/port.ts";
import { openPostgresIndex } from "./index/postgres/postgres.ts";
import { CommitCounts } from "./metrics/commit-counts.ts";

/** What a layerd is made of. */
export interface Stores {
  readonly blobs: BlobStore;
  readonly index: Index;
  /** Absent in memory, where there is no disk to be distrusted. */
  readonly scrubNotes: ScrubNotes | undefined;
  readonly directory: DataDirectory | undefined;
  readonly cacheCounts: CacheCounts | undefined;
}

/** What is told of every change: the audit log, and the counts. */
export interface Witnesses {
  readonly audit: AuditLog | undefined;
  readonly commits: CommitCounts;
}

/** Opens what the settings name. @throws ConfigError, DataDirectoryError, DatabaseError */
export async function openStores(settings: StoreConfig, log: Logger): Promise<Stores & Witnesses> {
  const audit = await openAuditLog(settings, log);
  const commits = new CommitCounts();
  const onCommit = (commit: Commit) => {
    commits.add(commit);
    audit?.committed(commit);
  };
  try {
    const open = settings.memory ? openMemory : openFiles;
    return { ...(await open(settings, log, onCommit)), audit, commits };
  } catch (error) {
    await audit?.close();
    throw error;
  }
}

/** @throws ConfigError */
async function openAuditLog(settings: StoreConfig, log: Logger): Promise<AuditLog | undefined> {
  const { auditLog: path, auditLogSize: maxSize, auditLogFiles: keep } = settings;
  if (path === "") return undefined;
  try {
    return await AuditLog.open(path, { maxSize, keep, log });
  } catch (error) {
    const { message } = error as Error;
    throw new ConfigError(
      `the audit log cannot be written: ${message}; auditLog names a file that this user may write, in a directory that is there`,
    );
  }
}

async function openMemory(
  { memoryLimit, index: where }: StoreConfig,
  _log: Logger,
  onCommit: OnCommit,
): Promise<Stores> {
  if (where !== FILES)
    throw new ConfigError("memory keeps everything in memory, and index is somewhere else");
  const blobs = createMemoryBlobs({ limit: memoryLimit });
  const index = createMemoryIndex({ onCommit });
  return { blobs, index, scrubNotes: undefined, directory: undefined, cacheCounts: undefined };
}

async function openFiles(settings: StoreConfig, log: Logger, onCommit: OnCommit): Promise<Stores> {
  const { durability, minFree } = settings;
  const cacheCounts = { hits: 0, misses: 0 };
  const opened = await openDataDirectory({ path: settings.data, durability });
  try {
    const directory = opened.path;
    const blobs = await openFilesystemBlobs({ directory, durability, minFree, log, cacheCounts });
    const index = await openIndex(settings, { directory, log, onCommit }).catch(async (error) => {
      await blobs.close();
      throw error;
    });
    return { blobs, index, scrubNotes: fileScrubNotes(directory), directory: opened, cacheCounts };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

async function openIndex(
  { index, indexConnections: connections, durability }: StoreConfig,
  parts: { readonly directory: string; readonly log: Logger; readonly onCommit: OnCommit },
): Promise<Index> {
  if (index === FILES) return await openJournalIndex({ durability, ...parts });
  return await openPostgresIndex({ url: index, connections, durability, ...parts });
}

/** To be called when the registry is closed. */
export async function release({ audit, directory }: Stores & Witnesses): Promise<void> {
  await audit?.close();
  await directory?.close();
}
