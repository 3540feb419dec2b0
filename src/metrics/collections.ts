import type { CollectionRecord } from "../registry/gc/record.ts";
import type { Reporter } from "./reporter.ts";

export const LATEST = "layerd_gc_last_success_timestamp_seconds";
/** What is known of the latest collection, by whoever made it. */
export const OF_LATEST = [
  LATEST,
  "layerd_gc_last_duration_seconds",
  "layerd_store_blobs",
  "layerd_store_bytes",
];

/** What garbage collection has done, and how much it has left. */
export function reportCollections(to: Reporter, record: CollectionRecord): void {
  const { removed } = record;
  to.counter(
    "layerd_gc_runs_total",
    "Collections that have ended, by how.",
    () => [
      [{ result: "success" }, record.succeeded],
      [{ result: "failure" }, record.failed],
    ],
    ["result"],
  );
  to.counter("layerd_gc_removed_manifests_total", "Manifests collected.", () => removed.manifests);
  to.counter(
    "layerd_gc_removed_links_total",
    "Links of blobs to repositories collected.",
    () => removed.links,
  );
  to.counter("layerd_gc_discarded_blobs_total", "Blobs moved to the trash.", () => removed.blobs);
  to.counter("layerd_gc_discarded_bytes_total", "Bytes moved to the trash.", () => removed.bytes);
  to.counter("layerd_gc_purged_blobs_total", "Blobs deleted from the trash.", () => removed.purged);
  to.counter("layerd_gc_purged_bytes_total", "Bytes freed in the trash.", () => removed.purgedBytes);
  to.counter(
    "layerd_gc_disposed_blobs_total",
    "Damaged blobs deleted from quarantine.",
    () => removed.disposed,
  );
  to.counter("layerd_gc_disposed_bytes_total", "Bytes freed in quarantine.", () => removed.disposedBytes);
  to.gauge(
    LATEST,
    "When the latest collection that succeeded ended; absent before the first.",
    () => record.last && record.last.at.getTime() / 1000,
    { across: "max" },
  );
  to.gauge(
    "layerd_gc_last_duration_seconds",
    "How long the latest collection that succeeded took.",
    () => record.last?.seconds,
    { across: "max" },
  );
  to.gauge(
    "layerd_store_blobs",
    "Blobs stored when the latest collection ended; absent before the first.",
    () => record.last?.outcome.kept,
    { across: "max" },
  );
  to.gauge(
    "layerd_store_bytes",
    "Bytes that repositories had when the latest collection ended, each blob and manifest counted once.",
    () => record.last?.outcome.keptBytes,
    { across: "max" },
  );
}
