import type { Disk } from "./disk.ts";
import type { Failure } from "./group-commit.ts";
import type { JournalFile } from "./journal-file.ts";
import type { Loaded } from "./load.ts";
import type { IndexLog } from "./log.ts";
import type { RepositoryPaths } from "./paths.ts";
import { type Snapshot, writeSnapshot } from "./snapshot.ts";

/** What a journal may grow to, in bytes, when there is no snapshot or a small one. */
export const JOURNAL_FLOOR = 1024 * 1024;

/**
 * Replaces the journal of a repository by a snapshot when it has outgrown the one there is. Writing then
 * costs a share of each push that does not grow with the repository.
 *
 * 1. Between two batches the journal is put aside as the old one (`prepare`); new lines go to a new journal.
 * 2. The snapshot is written to a file of its own, beside readers and writers.
 * 3. It takes the place of the one before, durably.
 * 4. The old journal goes.
 *
 * Loading reads snapshot, old journal, journal, and skips the lines that the snapshot includes: so a crash
 * between any two steps loses nothing. Nothing is compacted while a line is damaged: the file stays as it
 * is for whoever repairs it (`repair.ts`), and the damage is found again at each start.
 */
export class Compaction {
  readonly #disk: Disk;
  readonly #paths: RepositoryPaths;
  readonly #log: IndexLog;
  readonly #floor: number;
  #oldJournalSize = 0;
  /** Bytes that both journals may have together. */
  #limit = 0;
  #damaged = false;
  #running: Promise<void> | undefined;

  constructor(disk: Disk, paths: RepositoryPaths, options: { log: IndexLog; floor: number }) {
    this.#disk = disk;
    this.#paths = paths;
    this.#log = options.log;
    this.#floor = options.floor;
  }

  /** Resolves when what is running has ended, well or not. */
  get running(): Promise<void> | undefined {
    return this.#running;
  }

  startFrom(loaded: Loaded | undefined): void {
    this.#oldJournalSize = loaded?.oldJournalSize ?? 0;
    this.#damaged = (loaded?.damaged ?? []).length > 0;
    this.#limitBy(loaded?.snapshotSize ?? 0);
  }

  isDue(journal: JournalFile): boolean {
    const size = journal.size + this.#oldJournalSize;
    return size > this.#limit && !this.#damaged && this.#running === undefined;
  }

  /** Puts the journal aside. To be called between two batches; true when `start` is to follow at once. */
  async prepare(journal: JournalFile): Promise<boolean> {
    // An old journal that is still there belongs to an attempt that failed, and must not be replaced.
    if (this.#oldJournalSize > 0) return true;
    const { size } = journal;
    try {
      await journal.putAside();
      return true;
    } catch (error) {
      this.#postpone(journal, error);
      return false;
    } finally {
      this.#oldJournalSize = size - journal.size;
    }
  }

  /** @param outcome of the last batch that `snapshot` includes. */
  start(journal: JournalFile, snapshot: Snapshot, outcome: Promise<Failure | undefined>): void {
    this.#running = this.#run(journal, snapshot, outcome).finally(() => {
      this.#running = undefined;
    });
  }

  async #run(journal: JournalFile, snapshot: Snapshot, outcome: Promise<Failure | undefined>): Promise<void> {
    try {
      const size = await writeSnapshot(this.#disk, this.#paths.newSnapshot, snapshot);
      // It may include lines that were still queued. They failed: it tells of what never happened.
      if ((await outcome) !== undefined) return;
      await this.#publish();
      this.#limitBy(size);
    } catch (error) {
      this.#postpone(journal, error);
    }
  }

  async #publish(): Promise<void> {
    const { directory, newSnapshot, snapshot, oldJournal } = this.#paths;
    await this.#disk.rename(newSnapshot, snapshot);
    await this.#disk.syncDirectory(directory);
    await this.#disk.remove(oldJournal);
    this.#oldJournalSize = 0;
  }

  #limitBy(snapshotSize: number): void {
    this.#limit = Math.max(this.#floor, 2 * snapshotSize);
  }

  /** A full disk must not make every push try again. */
  #postpone(journal: JournalFile, error: unknown): void {
    this.#limit = 2 * (journal.size + this.#oldJournalSize);
    this.#log.error({ err: error, directory: this.#paths.directory }, "the journal could not be compacted");
  }
}
