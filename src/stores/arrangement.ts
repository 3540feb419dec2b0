import type { Logger } from "pino";
import type { CacheCounts } from "../blobs/file-reader.ts";
import type { FileBlobStore } from "../blobs/filesystem.ts";
import type { BlobStore, ScrubNotes } from "../blobs/port.ts";
import type { S3BlobStore } from "../blobs/s3/store.ts";
import type { Cluster } from "../cluster/port.ts";
import type { Index, OnCommit } from "../index/port.ts";

/** What a layerd is made of. */
export interface Stores {
  readonly blobs: BlobStore;
  readonly index: Index;
  readonly cluster: Cluster;
  /** The blobs, when they are in a bucket. */
  readonly bucket: S3BlobStore | undefined;
  /** The blobs, when they are in files that other processes may use, too. */
  readonly sharedFiles?: FileBlobStore;
  /** Absent in memory, where there is no disk to be distrusted. */
  readonly scrubNotes: ScrubNotes | undefined;
  /** The absolute path of the directory that holds the files, if there are any. */
  readonly directory: string | undefined;
  readonly cacheCounts: CacheCounts | undefined;
  /** Lets go of what the stores have in common; after they have been closed. */
  release(): Promise<void>;
}

/** What stores tell, and to whom. */
export interface Listeners {
  readonly log: Logger;
  readonly onCommit: OnCommit;
}
