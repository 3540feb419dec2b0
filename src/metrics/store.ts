import type { Reporter } from "./reporter.ts";
import type { Sources } from "./sources.ts";

/** What is stored, and what it is stored on. */
export function reportStore(to: Reporter, sources: Sources): void {
  const { commits, cache, sessions, disk, auditLost } = sources;
  to.gauge(
    "layerd_upload_sessions",
    "Upload sessions that are open: begun, or announced and still without a byte.",
    async () => Object.entries(await sessions()).map(([state, count]) => [{ state }, count] as const),
    // Every process sees those that have begun. The others are kept apart only where there is just one.
    { labelNames: ["state"], across: "max" },
  );
  to.counter("layerd_index_commits_total", "Transactions that changed the index.", () => commits.commits);
  to.counter(
    "layerd_index_changes_total",
    "Changes of the index by what they were.",
    () => Object.entries(commits.changes).map(([type, count]) => [{ type }, count] as const),
    ["type"],
  );
  if (cache !== undefined) {
    to.counter(
      "layerd_blob_cache_reads_total",
      "Reads of blobs up to 64 KiB by whether their bytes were in memory.",
      () => [
        [{ result: "hit" }, cache.hits],
        [{ result: "miss" }, cache.misses],
      ],
      ["result"],
    );
  }
  if (disk !== undefined) {
    const of = "the file system that has the data directory";
    to.gauge("layerd_disk_free_bytes", `Bytes free for uploads on ${of}.`, async () => (await disk()).free, {
      across: "min",
    });
    to.gauge("layerd_disk_size_bytes", `Bytes that ${of} has.`, async () => (await disk()).size, {
      across: "max",
    });
  }
  if (auditLost !== undefined) reportAuditLost(to, auditLost);
}

export function reportAuditLost(to: Reporter, lost: () => number): void {
  to.counter(
    "layerd_audit_lost_lines_total",
    "Lines of the audit log that could not be written and never will be.",
    lost,
  );
}
