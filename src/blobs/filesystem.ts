import type { Stats } from "node:fs";
import { resolve } from "node:path";
import type { Locks } from "../cluster/port.ts";
import { BlobTree } from "./blob-tree.ts";
import { readBootId } from "./boot.ts";
import { TransferMemory } from "./buffers.ts";
import { FileIngester } from "./file-ingester.ts";
import { type CacheCounts, FileReader } from "./file-reader.ts";
import { FileSweeper } from "./file-sweeper.ts";
import { FreeSpace } from "./free-space.ts";
import { HashThreads } from "./hasher.ts";
import type { BlobLog } from "./log.ts";
import type { BlobStat, BlobStore } from "./port.ts";
import { StoredUploads } from "./stored-uploads.ts";
import { directorySync } from "./sync.ts";

export interface FilesystemOptions {
  /** The data directory; made when it is missing. */
  readonly directory: string;
  /** `full`: what is acknowledged survives a power cut. `os`: nothing is synced; it survives the process. */
  readonly durability: "full" | "os";
  /** Bytes that uploads leave free on the disk. */
  readonly minFree: number;
  readonly log?: BlobLog;
  /** Where reads of small blobs are counted. */
  readonly cacheCounts?: CacheCounts;
  /** What processes agree by that use the directory at the same time; without it, it must be this one's alone. */
  readonly locks?: Locks;
}

/** A blob store, and what only one in files can do. */
export interface FileBlobStore extends BlobStore {
  /** Removes what uploads that broke off have left, if it was not touched since; the work goes on in the background. */
  sweepLeftovers(olderThan: Date): Promise<void>;
}

// Milliseconds. What a process writes to is touched more often; the clocks of machines differ by less.
const TOUCHED_WITHIN = 24 * 3_600_000;

/** Blobs in files, laid out as `paths.ts` shows. The caller closes the store. */
export async function openFilesystemBlobs(options: FilesystemOptions): Promise<FileBlobStore> {
  const { durability, minFree, log, cacheCounts: counts, locks } = options;
  const root = resolve(options.directory);
  const durable = durability === "full";
  const tree = new BlobTree(root, directorySync(durable), locks !== undefined);
  await tree.prepare();
  const memory = new TransferMemory();
  const threads = new HashThreads();
  const reader = new FileReader({ tree, memory, log, counts });
  const space = new FreeSpace(root, minFree);
  const stored = new StoredUploads({ tree, durable, boot: await readBootId(), reader, space, log });
  const published = (stat: BlobStat, found: Stats) => reader.stored(stat, found);
  const ingester = new FileIngester({ tree, durable, memory, threads, space, published }, stored, locks);
  await ingester.clean(log, locks && new Date(Date.now() - TOUCHED_WITHIN));
  const sweeper = new FileSweeper(tree, reader, { memory, space });
  const close = async () => {
    await ingester.close();
    reader.close();
    await threads.close();
  };
  let closing: Promise<void> | undefined;
  return {
    stat: (digest) => reader.stat(digest),
    open: (digest) => reader.open(digest),
    begin: (begin) => ingester.begin(begin),
    resume: (id) => ingester.resume(id),
    uploads: () => ingester.uploads(),
    expire: (id, before) => ingester.expire(id, before),
    list: (after) => sweeper.list(after),
    inspect: (digest) => sweeper.inspect(digest),
    discard: (digest) => sweeper.discard(digest),
    discarded: () => sweeper.discarded(),
    peek: (digest, length) => sweeper.peek(digest, length),
    restore: (digest) => sweeper.restore(digest),
    purge: (digest) => sweeper.purge(digest),
    quarantined: () => sweeper.quarantined(),
    dispose: (digest) => sweeper.dispose(digest),
    short: () => sweeper.short(),
    sweepLeftovers: (olderThan) => ingester.clean(log, olderThan),
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}
