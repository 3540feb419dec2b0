import type { ScrubRecord } from "../registry/scrub/record.ts";
import type { Reporter } from "./reporter.ts";
import type { Sources } from "./sources.ts";

/** What scrubs have read and found, and what has been put into quarantine and is still there. */
export function reportScrubs(
  to: Reporter,
  { scrubs, quarantine }: Pick<Sources, "scrubs" | "quarantine">,
): void {
  const { tally } = scrubs;
  to.counter("layerd_scrub_runs_total", "Scrubs that have ended, by how.", () => runsOf(scrubs), ["result"]);
  to.counter("layerd_scrub_blobs_total", "Blobs read and compared with their digests.", () => tally.blobs);
  to.counter("layerd_scrub_bytes_total", "Bytes read and compared with digests.", () => tally.bytes);
  to.counter(
    "layerd_scrub_rot_total",
    "Blobs found damaged, by what became of them.",
    () => [
      [{ what: "quarantined" }, tally.quarantined],
      [{ what: "kept" }, tally.kept],
      [{ what: "unreadable" }, tally.unreadable],
    ],
    ["what"],
  );
  to.gauge(
    "layerd_scrub_last_success_timestamp_seconds",
    "When the latest scrub ended that succeeded; absent before the first.",
    () => scrubs.lastAt && scrubs.lastAt.getTime() / 1000,
    { across: "max" },
  );
  if (quarantine === undefined) return;
  to.gauge(
    "layerd_quarantine_blobs",
    "Damaged blobs in quarantine.",
    async () => (await quarantine()).blobs,
    {
      across: "max",
    },
  );
  to.gauge("layerd_quarantine_bytes", "Bytes in quarantine.", async () => (await quarantine()).bytes, {
    across: "max",
  });
}

function runsOf({ succeeded, failed }: ScrubRecord) {
  return [
    [{ result: "success" }, succeeded],
    [{ result: "failure" }, failed],
  ] as const;
}
