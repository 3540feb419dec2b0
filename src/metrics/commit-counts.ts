import type { Commit, RecordedChange } from "../index/port.ts";

/** Counts what changes in the index. */
export class CommitCounts {
  commits = 0;
  readonly changes: Record<RecordedChange["type"], number> = {
    blobLinked: 0,
    blobUnlinked: 0,
    blobUnpacked: 0,
    manifestPut: 0,
    manifestDeleted: 0,
    tagSet: 0,
    tagDeleted: 0,
  };

  add({ changes }: Commit): void {
    this.commits += 1;
    for (const { type } of changes) this.changes[type] += 1;
  }
}
