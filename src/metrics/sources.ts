import type { RequestCounts } from "../http/request-counts.ts";
import type { Traffic } from "../http/traffic.ts";
import type { CollectionRecord } from "../registry/gc/record.ts";
import type { ScrubRecord } from "../registry/scrub/record.ts";
import type { CommitCounts } from "./commit-counts.ts";

/** Where the numbers are. */
export interface Sources {
  readonly version: string;
  readonly requests: RequestCounts;
  readonly traffic: Traffic;
  readonly commits: CommitCounts;
  readonly collections: CollectionRecord;
  readonly scrubs: ScrubRecord;
  /** What is in quarantine; absent for a store in memory, which has none. */
  readonly quarantine: (() => Promise<{ readonly blobs: number; readonly bytes: number }>) | undefined;
  /** Of small blobs. */
  readonly cache: { readonly hits: number; readonly misses: number } | undefined;
  /** How many upload sessions are open: with bytes, and without any yet. */
  readonly sessions: () => Promise<{ readonly begun: number; readonly announced: number }>;
  /** Bytes of the disk; absent for a store in memory. */
  readonly disk: (() => Promise<{ readonly free: number; readonly size: number }>) | undefined;
  /** Lines of the audit log that could not be written; absent when there is none. */
  readonly auditLost: (() => number) | undefined;
  /** Told of a metric that is left out, since what has it does not answer. */
  readonly onUnread: (error: unknown, name: string) => void;
}
