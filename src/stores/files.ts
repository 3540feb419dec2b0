import { openFilesystemBlobs } from "../blobs/filesystem.ts";
import { fileScrubNotes } from "../blobs/scrub-note.ts";
import { createLocalCluster } from "../cluster/local.ts";
import { ConfigError, FILES, type StoreConfig } from "../config.ts";
import { openDataDirectory } from "../data-directory.ts";
import { openJournalIndex } from "../index/journal.ts";
import type { Listeners, Stores } from "./arrangement.ts";
import { Opened } from "./opened.ts";

/** Everything in files, for one process. @throws ConfigError, DataDirectoryError */
export async function openFiles(settings: StoreConfig, { log, onCommit }: Listeners): Promise<Stores> {
  if (settings.blobs !== FILES) {
    throw new ConfigError(
      "blobs in a bucket go with an index in PostgreSQL, which knows what is there: set index to its URL (docs/s3.md)",
    );
  }
  const { durability, minFree } = settings;
  const cacheCounts = { hits: 0, misses: 0 };
  return await Opened.orClose(async (opened) => {
    const data = opened.add(await openDataDirectory({ path: settings.data, durability, owner: "files" }));
    const directory = data.path;
    const blobs = opened.add(await openFilesystemBlobs({ directory, durability, minFree, log, cacheCounts }));
    const index = await openJournalIndex({ directory, durability, log, onCommit });
    return {
      blobs,
      index,
      cluster: createLocalCluster(),
      bucket: undefined,
      scrubNotes: fileScrubNotes(directory),
      directory,
      cacheCounts,
      release: () => data.close(),
    };
  });
}
