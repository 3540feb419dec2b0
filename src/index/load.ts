import type { Disk } from "./disk.ts";
import { fold } from "./fold.ts";
import { decodeLine, type Line } from "./line.ts";
import { LineSplitter } from "./line-splitter.ts";
import type { RepositoryPaths } from "./paths.ts";
import type { Damage } from "./port.ts";
import { readSnapshot } from "./snapshot.ts";
import { RepositoryState } from "./state.ts";

/** What the files of a repository come to. Sizes are in bytes; 0 for a file that is not there. */
export interface Loaded {
  readonly state: RepositoryState;
  readonly damaged: readonly Damage[];
  /** False when new lines cannot be numbered, because nobody knows how many there have been. */
  readonly numbered: boolean;
  readonly snapshotSize: number;
  readonly oldJournalSize: number;
  /** Up to the last complete line. */
  readonly journalSize: number;
  /** What follows on the last complete line: a write that a crash cut short, which nobody was told of. */
  readonly tornSize: number;
}

/**
 * Reads a repository; `undefined` when there is none. What it returns is durable. Lines that cannot be used
 * are reported and the rest is taken all the same.
 * @param knownSize where this process has written, and synced, the journal up to; what follows is not read.
 */
export async function loadRepository(
  disk: Disk,
  paths: RepositoryPaths,
  knownSize?: number,
): Promise<Loaded | undefined> {
  const loading = new Loading();
  const snapshot = await readSnapshot(disk, paths.snapshot, loading.state);
  loading.snapshotRead(paths.snapshot, snapshot);
  const oldJournal = await loading.replay(disk, paths.oldJournal);
  const journal = await loading.replay(disk, paths.journal, knownSize);
  if (!(snapshot ?? oldJournal ?? journal ?? knownSize)) return undefined;
  for (const directory of paths.directories) await disk.syncDirectory(directory);

  // It was whole when it was put aside, and when this process wrote it.
  if (oldJournal !== undefined && oldJournal.unfinished > 0)
    loading.damage(paths.oldJournal, oldJournal.lines + 1);
  if (knownSize !== undefined && (journal?.complete ?? 0) !== knownSize) {
    loading.damage(paths.journal, (journal?.lines ?? 0) + 1);
  }
  return {
    state: loading.state,
    damaged: loading.damaged,
    numbered: snapshot?.numbered ?? true,
    snapshotSize: snapshot?.size ?? 0,
    oldJournalSize: oldJournal?.complete ?? 0,
    journalSize: journal?.complete ?? 0,
    tornSize: journal?.unfinished ?? 0,
  };
}

class Loading {
  readonly state = new RepositoryState();
  readonly damaged: Damage[] = [];
  /** Something was lost just before; that numbers are missing then needs no second report. */
  #lost = false;

  damage(file: string, line: number): void {
    this.damaged.push({ file, line });
    this.#lost = true;
  }

  snapshotRead(file: string, read: { damaged: readonly number[]; numbered: boolean } | undefined): void {
    for (const line of read?.damaged ?? []) this.damage(file, line);
    if (read?.numbered === true) this.#lost = false;
  }

  async replay(disk: Disk, file: string, limit?: number): Promise<LineSplitter | undefined> {
    const splitter = new LineSplitter((line, number) => this.#take(file, line, number), limit);
    return (await disk.read(file, (chunk) => splitter.push(chunk))) ? splitter : undefined;
  }

  #take(file: string, bytes: Buffer, number: number): void {
    const line = decodeLine(bytes);
    if (line === undefined) this.damage(file, number);
    // Else the snapshot includes it.
    else if (line.seq > this.state.seq) this.#fold(file, number, line);
  }

  #fold(file: string, number: number, line: Line): void {
    if (line.seq > this.state.seq + 1 && !this.#lost) this.damage(file, number);
    for (const change of line.changes) fold(this.state, change, line.at);
    this.state.seq = line.seq;
    this.#lost = false;
  }
}
