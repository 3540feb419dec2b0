import { join } from "node:path";
import type { RepositoryName } from "../core/name.ts";

/*
 *   index/
 *     _reserve                      space for the index when the disk is full: reserve.ts
 *     library/                      a repository; `a/b` is directory b in directory a
 *       _journal.jsonl              its changes since the snapshot, a line each
 *       _snapshot.json              what all changes before came to
 *       _journal.old.jsonl          during compaction, and after a crash in it: the lines before _journal.jsonl
 *       _snapshot.new.json          during compaction: the snapshot being written; worth nothing after a crash
 *       _journal.damaged-….jsonl    after a repair: what one of these was before; nothing of layerd's reads it
 *
 * The names begin with `_`, which no part of a repository name can.
 */

export interface RepositoryPaths {
  readonly directory: string;
  readonly journal: string;
  readonly oldJournal: string;
  readonly snapshot: string;
  readonly newSnapshot: string;
  /** The directories that lead to the repository, the root of the index first, `directory` last. */
  readonly directories: readonly string[];
}

export function repositoryPaths(root: string, name: RepositoryName): RepositoryPaths {
  const directory = join(root, name);
  const parts = name.split("/");
  return {
    directory,
    journal: join(directory, "_journal.jsonl"),
    oldJournal: join(directory, "_journal.old.jsonl"),
    snapshot: join(directory, "_snapshot.json"),
    newSnapshot: join(directory, "_snapshot.new.json"),
    directories: [root, ...parts.map((_, at) => join(root, ...parts.slice(0, at + 1)))],
  };
}
