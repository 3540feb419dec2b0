import { basename, join } from "node:path";
import type { Disk } from "./disk.ts";
import type { RepositoryPaths } from "./paths.ts";
import { type Snapshot, writeSnapshot } from "./snapshot.ts";

/**
 * Replaces the files of a repository by one snapshot of what could be read, and keeps the ones before beside it.
 *
 * 1. The snapshot is written to a file of its own, the one before copied to another.
 * 2. It takes the place of the one before, durably. It includes all lines of the journals that can be read.
 * 3. The journals get other names.
 *
 * A crash before the second step leaves everything as it was. One after it leaves journals whose lines the snapshot
 * includes, and whose damage is found again: repairing once more does the rest.
 * @returns the paths of what was before.
 */
export async function replaceFiles(
  disk: Disk,
  paths: RepositoryPaths,
  snapshot: Snapshot,
  at: Date,
): Promise<string[]> {
  const { directory, newSnapshot } = paths;
  const kept: string[] = [];
  // A repository whose lines are all lost has been there all the same: without a number, nobody would list it.
  await writeSnapshot(disk, newSnapshot, { ...snapshot, seq: Math.max(snapshot.seq, 1) });
  const copy = asidePath(paths.snapshot, at);
  if (await copyFile(disk, paths.snapshot, copy)) kept.push(copy);
  await disk.syncDirectory(directory);
  await disk.rename(newSnapshot, paths.snapshot);
  await disk.syncDirectory(directory);
  for (const journal of [paths.oldJournal, paths.journal]) {
    if ((await disk.size(journal)) === undefined) continue;
    await disk.rename(journal, asidePath(journal, at));
    kept.push(asidePath(journal, at));
  }
  await disk.syncDirectory(directory);
  return kept;
}

/** `_journal.damaged-20261125T012027123Z.jsonl` beside `_journal.jsonl`. */
function asidePath(path: string, at: Date): string {
  const name = basename(path);
  const dot = name.lastIndexOf(".");
  const time = at.toISOString().replaceAll(/[-:.]/g, "");
  return join(path, "..", `${name.slice(0, dot)}.damaged-${time}${name.slice(dot)}`);
}

/** Whether there was such a file. It is smaller than what has been read of it into memory. */
async function copyFile(disk: Disk, from: string, to: string): Promise<boolean> {
  const pieces: Buffer[] = [];
  if (!(await disk.read(from, (chunk) => pieces.push(Buffer.from(chunk))))) return false;
  await disk.remove(to);
  const file = await disk.open(to);
  try {
    await file.write(Buffer.concat(pieces), 0);
    await file.sync();
  } finally {
    await file.close();
  }
  return true;
}
