import type { Disk, DiskFile } from "./disk.ts";
import type { RepositoryPaths } from "./paths.ts";

// Room for a few hundred lines.
const TRIAL = 64 * 1024;

/**
 * The journal of a repository as a file that grows by whole batches of lines. One call at a time.
 *
 * Its rule for failures: after one, nothing is appended before the file has been opened anew, cut back to
 * the end of the last batch that was synced, and synced. A sync that failed must not simply be tried again:
 * the kernel reports the failure once, marks the pages clean all the same, and the next sync succeeds
 * without having written them (known as "fsyncgate"). Cutting back throws those pages away; the one that
 * the cut goes through becomes dirty and is written again. Whoever owns the file then reads it back
 * (`loadRepository`), which checks every line.
 */
export class JournalFile {
  readonly #disk: Disk;
  readonly #paths: RepositoryPaths;
  #file: DiskFile | undefined;
  #size = 0;
  #uncut = false;
  #failed = false;

  constructor(disk: Disk, paths: RepositoryPaths) {
    this.#disk = disk;
    this.#paths = paths;
  }

  /** Bytes that are synced: where the last batch ends. */
  get size(): number {
    return this.#size;
  }

  /** Says where the last complete line ends, as found by reading the file; 0 when there is no file. */
  startAt(size: number): void {
    this.#size = size;
  }

  /** Whether the file still holds what was taken back, because cutting it off has failed. */
  get uncut(): boolean {
    return this.#uncut;
  }

  /** Whether the last batch could not be written: `prove` that it can be before trying the next. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Appends and syncs, or throws; then the file has been cut back, or will be before it is appended to. */
  async append(bytes: Buffer): Promise<void> {
    try {
      await this.#write(bytes);
      this.#size += bytes.length;
    } catch (error) {
      this.#failed = true;
      throw error;
    }
  }

  /** Writes something as large as a busy batch, then cuts it off again. */
  async prove(): Promise<void> {
    await this.#write(Buffer.alloc(TRIAL));
    await this.cut();
    this.#failed = false;
  }

  /** Cuts off what stands after the last complete line. */
  async cut(): Promise<void> {
    this.#uncut = true;
    await this.close();
    this.#file = await this.#open();
  }

  /** Puts the file aside as the old journal; the next batch begins a new one. */
  async putAside(): Promise<void> {
    await this.close();
    await this.#disk.rename(this.#paths.journal, this.#paths.oldJournal);
    this.#size = 0;
    // Before there is a new one: the two names must not be exchanged by a crash.
    await this.#disk.syncDirectory(this.#paths.directory);
  }

  /** Closes the file until it is needed again. */
  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  async #write(bytes: Buffer): Promise<void> {
    this.#file ??= await this.#open();
    try {
      await this.#file.write(bytes, this.#size);
      await this.#file.sync();
    } catch (error) {
      // When this fails too, the first error is the one to tell; `uncut` remembers.
      await this.cut().catch(() => {});
      throw error;
    }
  }

  async #open(): Promise<DiskFile> {
    if (this.#size === 0) await this.#makeDirectories();
    const file = await this.#disk.open(this.#paths.journal);
    try {
      await this.#cutBack(file);
      if (this.#size === 0) await this.#disk.syncDirectory(this.#paths.directory);
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async #cutBack(file: DiskFile): Promise<void> {
    const size = await file.size();
    if (size < this.#size) throw new Error(`${this.#paths.journal} has lost ${this.#size - size} bytes`);
    if (size > this.#size) {
      await file.truncate(this.#size);
      await file.sync();
    }
    this.#uncut = false;
  }

  /** Each is synced into the one above even when it was there: whoever made it may not have come to that. */
  async #makeDirectories(): Promise<void> {
    let above: string | undefined;
    for (const directory of this.#paths.directories) {
      if (above !== undefined) {
        await this.#disk.makeDirectory(directory);
        await this.#disk.syncDirectory(above);
      }
      above = directory;
    }
  }
}
