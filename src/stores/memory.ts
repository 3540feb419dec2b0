import { createMemoryBlobs } from "../blobs/memory.ts";
import { createLocalCluster } from "../cluster/local.ts";
import { ConfigError, FILES, type StoreConfig } from "../config.ts";
import { createMemoryIndex } from "../index/memory.ts";
import type { Listeners, Stores } from "./arrangement.ts";

/** @throws ConfigError */
export function openMemory(settings: StoreConfig, { onCommit }: Listeners): Stores {
  for (const name of ["index", "blobs"] as const) {
    if (settings[name] === FILES) continue;
    throw new ConfigError(`memory keeps everything in memory, and ${name} is somewhere else`);
  }
  return {
    blobs: createMemoryBlobs({ limit: settings.memoryLimit }),
    index: createMemoryIndex({ onCommit }),
    cluster: createLocalCluster(),
    bucket: undefined,
    scrubNotes: undefined,
    directory: undefined,
    cacheCounts: undefined,
    release: async () => {},
  };
}
