import { LayerdError } from "../core/errors.ts";
import { Compaction } from "./compaction.ts";
import type { Disk } from "./disk.ts";
import { fold, touched, untagged } from "./fold.ts";
import { type Batch, GroupCommit } from "./group-commit.ts";
import { JournalFile } from "./journal-file.ts";
import { encodeLine } from "./line.ts";
import { type Loaded, loadRepository } from "./load.ts";
import type { IndexLog } from "./log.ts";
import type { RepositoryPaths } from "./paths.ts";
import type { Commit, Damage, Remains, Transaction } from "./port.ts";
import type { Promises } from "./promises.ts";
import { readRemains } from "./remains.ts";
import { replaceFiles } from "./repair.ts";
import { check } from "./requirements.ts";
import { capture } from "./snapshot.ts";
import { RepositoryState } from "./state.ts";

export interface RepositoryOptions {
  readonly log: IndexLog;
  /** Bytes of a journal that is not compacted, however small the snapshot. */
  readonly compactAbove: number;
  /** What somebody has been promised, here or elsewhere. */
  readonly promises: Promises;
  /** As `OnCommit`. */
  readonly onCommit: (commit: Omit<Commit, "repository">) => void;
}

/**
 * One repository: its state in memory, its files on the disk. There is one state, which is ahead of the
 * disk by the lines that are queued: writers see all of it, readers wait where an entry is not durable yet.
 * When a write fails the state is thrown away, and folded again from the disk by whoever comes next.
 */
export class Repository {
  readonly #disk: Disk;
  readonly #paths: RepositoryPaths;
  readonly #log: IndexLog;
  readonly #promises: Promises;
  readonly #onCommit: RepositoryOptions["onCommit"];
  readonly #journal: JournalFile;
  readonly #compaction: Compaction;
  readonly #commits: GroupCommit;
  #state: RepositoryState | undefined;
  #loading: Promise<void> | undefined;
  #proving: Promise<void> | undefined;
  /** Whether this process has read the journal before: then it knows where it ends. */
  #known = false;
  #exists = false;
  #damaged: readonly Damage[] = [];
  #numbered = true;

  constructor(disk: Disk, paths: RepositoryPaths, options: RepositoryOptions) {
    this.#disk = disk;
    this.#paths = paths;
    this.#log = options.log;
    this.#promises = options.promises;
    this.#onCommit = options.onCommit;
    this.#journal = new JournalFile(disk, paths);
    this.#compaction = new Compaction(disk, paths, { log: options.log, floor: options.compactAbove });
    this.#commits = new GroupCommit(
      (lines) => this.#write(lines),
      (error) => this.#forget(error),
    );
  }

  /** How many entries it holds in memory. */
  get size(): number {
    return this.#state?.size ?? 0;
  }

  /** Whether a change has been recorded, durably; `undefined` before the files have been read. */
  get exists(): boolean | undefined {
    return this.#known ? this.#exists : undefined;
  }

  /** Whether there is nothing in it that is worth its memory. */
  get worthless(): boolean {
    return !this.#journal.uncut && !this.#journal.failed && (this.#state === undefined || !this.#exists);
  }

  /** Whether it must stay in memory, because only this process knows where the good part of a file ends. */
  get irreplaceable(): boolean {
    return this.#journal.uncut;
  }

  /** Resolves when what goes on behind the requests has ended; `undefined` when nothing does. */
  get background(): Promise<void> | undefined {
    return this.#compaction.running;
  }

  async apply(transaction: Transaction): Promise<void> {
    for (;;) {
      const state = this.#state;
      if (state === undefined) await this.#load();
      else if (this.#journal.failed) await this.#prove();
      else if (await this.#attempt(state, transaction)) return;
    }
  }

  /** The state, if it is in memory and its entry of that key is durable; without a key, all of it. */
  durable(key?: string): RepositoryState | undefined {
    return this.#awaited(key) === undefined ? this.#state : undefined;
  }

  /**
   * What `look` finds, once it is durable.
   * @param key the only entry that `look` depends on; without it, it depends on all.
   */
  async read<T>(look: (state: RepositoryState) => T, key?: string): Promise<T> {
    for (;;) {
      const state = this.#state;
      if (state === undefined) {
        await this.#load();
      } else {
        const found = look(state);
        const failure = await this.#awaited(key)?.outcome;
        if (failure === undefined) return found;
      }
    }
  }

  /** Whether nothing of the record was damaged when it was read. */
  async intact(): Promise<boolean> {
    await this.read(() => undefined);
    return this.#damaged.length === 0;
  }

  async remains(): Promise<Remains | undefined> {
    if (await this.intact()) return undefined;
    return { damaged: this.#damaged, ...(await readRemains(this.#disk, this.#paths)) };
  }

  /** Nobody else may use it meanwhile. */
  async repair(): Promise<string[]> {
    if (await this.intact()) return [];
    const snapshot = await this.read(capture);
    await this.#compaction.running;
    await this.close();
    try {
      return await replaceFiles(this.#disk, this.#paths, snapshot, new Date());
    } finally {
      // Whoever comes next reads what is there now.
      this.#state = undefined;
      this.#known = false;
    }
  }

  /** To be called when nothing is running. */
  async close(): Promise<void> {
    if (this.#journal.uncut) await this.#cut();
    await this.#journal.close();
  }

  /**
   * Checks and folds at once, so that nothing comes between, then waits until it is durable. False when it
   * was decided upon changes that turned out not to be: it must be tried again.
   */
  async #attempt(state: RepositoryState, transaction: Transaction): Promise<boolean> {
    try {
      check(state, transaction.requires ?? [], (digest) => this.#promises.hold(digest));
    } catch (error) {
      if (await this.#settled()) throw error;
      return false;
    }
    if (!this.#numbered) throw unavailable(new Error(`${this.#paths.snapshot} is damaged`));
    const at = new Date().toISOString();
    const changes = transaction.changes.flatMap((change) => fold(state, change, at) ?? []);
    for (const digest of untagged(changes)) this.#promises.give(digest);
    if (changes.length === 0) return await this.#settled();
    const { who, request, mount } = transaction;
    await this.#commit(state, { at, who, changes });
    this.#onCommit({ at, who, request, mount, changes });
    return true;
  }

  async #commit(state: RepositoryState, line: Pick<Commit, "at" | "who" | "changes">): Promise<void> {
    state.seq++;
    const keys = line.changes.flatMap((change) => touched(state, change));
    const batch = this.#commits.add(encodeLine({ seq: state.seq, ...line }), keys);
    const failure = await batch.outcome;
    if (failure !== undefined) throw unavailable(failure.cause);
  }

  /** Waits for everything that is queued; whether it became durable. */
  async #settled(): Promise<boolean> {
    return (await this.#commits.last?.outcome) === undefined;
  }

  #awaited(key: string | undefined): Batch | undefined {
    return key === undefined ? this.#commits.last : this.#commits.pending(key);
  }

  async #write(lines: string): Promise<void> {
    await this.#journal.append(Buffer.from(lines));
    this.#exists = true;
    if (this.#compaction.isDue(this.#journal)) await this.#compact();
  }

  async #compact(): Promise<void> {
    const prepared = await this.#compaction.prepare(this.#journal);
    const last = this.#commits.last;
    if (!prepared || last === undefined || this.#state === undefined) return;
    this.#compaction.start(this.#journal, capture(this.#state), last.outcome);
  }

  #forget(error: unknown): void {
    this.#state = undefined;
    this.#complain(error, "changes could not be written and were taken back");
  }

  /** Once at a time. @throws UNAVAILABLE */
  #load(): Promise<void> {
    this.#loading ??= this.#loadState().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  async #loadState(): Promise<void> {
    // It renames and removes the files that are to be read.
    await this.#compaction.running;
    try {
      const size = this.#known ? this.#journal.size : undefined;
      await this.#startFrom(await loadRepository(this.#disk, this.#paths, size));
    } catch (error) {
      this.#complain(error, "the index could not be read");
      throw unavailable(error);
    }
  }

  async #startFrom(loaded: Loaded | undefined): Promise<void> {
    for (const { file, line } of loaded?.damaged ?? []) {
      this.#log.error({ file, line }, "a line of the index is damaged or missing; the rest was loaded");
    }
    this.#journal.startAt(loaded?.journalSize ?? 0);
    this.#compaction.startFrom(loaded);
    this.#numbered = loaded?.numbered ?? true;
    this.#damaged = loaded?.damaged ?? [];
    this.#known = true;
    this.#exists = loaded !== undefined && hasRecord(loaded);
    if (loaded !== undefined && loaded.tornSize > 0) {
      const about = { file: this.#paths.journal, bytes: loaded.tornSize };
      this.#log.warn(about, "a crash has cut a write short; its beginning is removed");
      await this.#cut();
    }
    this.#state = loaded?.state ?? new RepositoryState();
  }

  /** A file system that is read-only now can be read all the same; a write would try again. */
  async #cut(): Promise<void> {
    const complain = (error: unknown) => this.#complain(error, "the end of the journal could not be cut off");
    await this.#journal.cut().catch(complain);
  }

  /** Once at a time. Folding again after each of many failures would make a full disk slow for readers too. */
  async #prove(): Promise<void> {
    this.#proving ??= this.#journal.prove().finally(() => {
      this.#proving = undefined;
    });
    await this.#proving.catch((error: unknown) => {
      throw unavailable(error);
    });
  }

  #complain(error: unknown, message: string): void {
    this.#log.error({ err: error, directory: this.#paths.directory }, message);
  }
}

/** A journal may be empty, or nearly: its first line is still to be written, or a crash has cut it short. */
function hasRecord({ state, damaged }: Loaded): boolean {
  return state.seq > 0 || damaged.length > 0;
}

function unavailable(cause: unknown): LayerdError {
  return new LayerdError("UNAVAILABLE", undefined, { cause });
}
