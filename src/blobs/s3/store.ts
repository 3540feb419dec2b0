import type { Digest } from "../../core/digest.ts";
import { Slots } from "../../core/slots.ts";
import type { CacheCounts } from "../file-reader.ts";
import { HashThreads } from "../hasher.ts";
import type { BlobLog } from "../log.ts";
import type { BlobStore } from "../port.ts";
import { Bucket, type PresignOptions } from "./bucket.ts";
import type { BlobCatalog } from "./catalog.ts";
import { type CheckedBucket, checkBucket } from "./check.ts";
import { createClients } from "./client.ts";
import type { S3Context } from "./context.ts";
import { IdleContents } from "./idle-contents.ts";
import { type SweptOrphans, sweepOrphans } from "./orphans.ts";
import { S3Ingester } from "./s3-ingester.ts";
import { S3Reader } from "./s3-reader.ts";
import { S3Sweeper } from "./s3-sweeper.ts";

// Parts of all uploads together that are being hashed or sent, of 8 MiB as a rule.
const SENDING_MAX = 32;

export interface S3StoreOptions extends CheckedBucket {
  /** Shared by all servers that use the bucket. The store does not close it. */
  readonly catalog: BlobCatalog;
  readonly log?: BlobLog;
  /** Where reads of small blobs are counted. */
  readonly cacheCounts?: CacheCounts;
}

/** A blob store, and what only one in a bucket can do. */
export interface S3BlobStore extends BlobStore {
  /**
   * A URL under which anybody gets the blob from S3 itself, for a while; `undefined` when it is not there. Who may
   * have one is for the caller to say.
   */
  presign(digest: Digest, options: PresignOptions): Promise<string | undefined>;
  /** Asks the bucket for something that is not there. @throws UNAVAILABLE when it does not say so by the signal */
  ask(signal: AbortSignal): Promise<void>;
  /** Removes what uploads that broke off have left, and what nothing needs any more; see `orphans.ts`. */
  sweepOrphans(olderThan: Date, signal?: AbortSignal): Promise<SweptOrphans>;
}

/**
 * Blobs as objects of a bucket, which any number of servers share.
 * @throws S3StoreError when bucket or catalog cannot be used.
 */
export async function openS3Blobs(options: S3StoreOptions): Promise<S3BlobStore> {
  const { catalog, log, cacheCounts = { hits: 0, misses: 0 } } = options;
  const prefix = `${options.prefix ?? ""}blobs/`;
  const clients = createClients(options);
  const bucket = new Bucket(options.bucket, clients);
  try {
    await catalog.check();
    await checkBucket(clients.client, options);
  } catch (error) {
    bucket.close();
    throw error;
  }
  const slots = new Slots(SENDING_MAX);
  const idle = new IdleContents();
  const threads = new HashThreads();
  return createStore({ bucket, catalog, prefix, log, slots, idle, threads }, cacheCounts);
}

function createStore(context: S3Context, cacheCounts: CacheCounts): S3BlobStore {
  const reader = new S3Reader(context, cacheCounts);
  const ingester = new S3Ingester(context);
  const sweeper = new S3Sweeper(context);
  const close = async () => {
    await ingester.close().finally(async () => {
      reader.close();
      context.bucket.close();
      await context.threads.close();
    });
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
    presign: async (digest, presign) => {
      const key = await reader.locate(digest);
      return key && (await context.bucket.presign(key, presign));
    },
    ask: async (signal) => {
      await context.bucket.size(`${context.prefix}nothing`, signal);
    },
    sweepOrphans: (olderThan, signal) => sweepOrphans(context, olderThan, signal),
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}
