import { constants, fstatSync, type Stats } from "node:fs";
import type { FilePart } from "./content-hash.ts";
import { chmod, close, datasync, open, remove, truncate, writePieces } from "./disk.ts";
import type { FreeSpace } from "./free-space.ts";

// Bytes. Syncing as an upload goes overlaps the disk with the network; at its end little is left to sync.
const SYNC_EVERY = 32 * 1024 * 1024;

// Bytes, about. The kernel takes memory for a file in units as large as the write, and very large ones come slowly,
// most of all in a virtual machine that has given them back to its host.
const WRITE_AT_ONCE = 1024 * 1024;

const BLOB_MODE = 0o444;

// Of a file that is an upload's. In a directory that several processes use, the mode says whether one of them has it
// open: only the one that had it can tell that it will write no more, whatever others believe of it.
export const OPEN_MODE = 0o600;
const LET_GO_MODE = 0o640;
const PERMISSIONS = 0o777;

/** Whether whoever had the file of an upload last has said that it writes to it no more. */
export function isLetGo({ mode }: Stats): boolean {
  return (mode & PERMISSIONS) === LET_GO_MODE;
}

export interface UploadFileOptions {
  readonly path: string;
  readonly space: FreeSpace;
  /** Whether anything is synced at all. */
  readonly durable: boolean;
  /** Whether the file is to be opened again for writing, by a later process. */
  readonly reopened: boolean;
  /** Bytes that an upload that is resumed has, and how many of them are known to be durable. */
  readonly offset: number;
  readonly synced: number;
  /** Called when a sync in the background has made more of the file durable. */
  readonly onSynced: (offset: number) => Promise<void>;
}

interface BackgroundFailure {
  readonly error: unknown;
  /** Whether written bytes may be lost: after a failed sync only what an earlier one covered is worth anything. */
  readonly lossy: boolean;
}

/**
 * The bytes of one upload on their way. The file is made by the first write; its length is always `offset`,
 * and nothing but the upload's bytes is ever in it.
 */
export class UploadFile {
  readonly #options: UploadFileOptions;
  #fd: number | undefined;
  #made: boolean;
  #moved = false;
  #offset: number;
  #synced: number;
  #syncing: Promise<void> | undefined;
  #failure: BackgroundFailure | undefined;

  constructor(options: UploadFileOptions) {
    this.#options = options;
    this.#offset = options.offset;
    this.#synced = options.synced;
    this.#made = options.reopened;
  }

  /** Bytes written. */
  get offset(): number {
    return this.#offset;
  }

  /** Bytes known to be durable. */
  get synced(): number {
    return this.#synced;
  }

  /** Whether the file has been moved to where it is a blob. */
  get moved(): boolean {
    return this.#moved;
  }

  /** The descriptor; opens the file, and makes it when nothing has been written yet. */
  async open(): Promise<number> {
    if (this.#fd !== undefined) return this.#fd;
    this.#fd = await open(this.#options.path, this.#flags, this.#options.reopened ? OPEN_MODE : BLOB_MODE);
    this.#made = true;
    return this.#fd;
  }

  /** Appends. One call at a time. When it fails, `offset` says how much was written. */
  async write(pieces: readonly Uint8Array[]): Promise<FilePart> {
    const fd = await this.open();
    const before = this.#offset;
    for (let rest = pieces; rest.length > 0; ) {
      if (this.#failure !== undefined) throw this.#failure.error;
      const count = await writePieces(fd, begin(rest, WRITE_AT_ONCE), this.#offset);
      this.#offset += count;
      rest = skip(rest, count);
    }
    const shortage = this.#options.space.taken(this.#offset - before);
    if (shortage !== undefined) await shortage;
    this.#syncBehind(fd);
    return { fd, length: this.#offset };
  }

  /** Makes everything written durable. What a sync that failed may have lost is cut off. */
  async sync(): Promise<void> {
    await this.settle();
    if (!this.#options.durable || this.#synced === this.#offset) return;
    await this.#datasync(await this.open());
    await this.settle();
  }

  /** Ends what goes on in the background, and throws what went wrong there. */
  async settle(): Promise<void> {
    await this.#syncing;
    const failure = this.#failure;
    if (failure === undefined) return;
    if (failure.lossy) await truncate(await this.open(), this.#synced);
    if (failure.lossy) this.#offset = this.#synced;
    this.#failure = undefined;
    throw failure.error;
  }

  /** Makes everything written durable, whatever else is, so that it counts on another machine. Makes the file, if there is none. */
  async handOver(): Promise<void> {
    await this.settle();
    const fd = await this.open();
    if (this.#synced < this.#offset) await this.#datasync(fd);
    await this.settle();
  }

  /** Says on the file that nobody writes to it any more. The last thing before `close`. */
  async letGo(): Promise<void> {
    await this.#syncing;
    if (this.#fd !== undefined && !this.#moved) await chmod(this.#fd, LET_GO_MODE);
  }

  /** Makes the finished file read-only and has it moved away, which can happen once. */
  async moveOut(move: (path: string) => Promise<void>): Promise<void> {
    const fd = await this.open();
    // An empty file has never been written to, so it has never been synced.
    if (this.#offset === 0 && this.#options.durable) await datasync(fd);
    if (this.#options.reopened) await chmod(fd, BLOB_MODE);
    await move(this.#options.path);
    this.#moved = true;
  }

  /** What the file system says of the file. */
  async stats(): Promise<Stats> {
    return fstatSync(await this.open());
  }

  /** Lets go of the descriptor; what is in the file stays. */
  async close(): Promise<void> {
    await this.#syncing;
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined) await close(fd);
  }

  /** Removes the file, if there is one that is still an upload's. After `close`. */
  async remove(): Promise<void> {
    if (this.#made && !this.#moved) await remove(this.#options.path);
  }

  get #flags(): number {
    const { reopened } = this.#options;
    return constants.O_RDWR | constants.O_CREAT | (reopened ? 0 : constants.O_EXCL);
  }

  #syncBehind(fd: number): void {
    const due = this.#offset - this.#synced >= SYNC_EVERY;
    if (!due || !this.#options.durable || this.#syncing !== undefined) return;
    this.#syncing = this.#syncAndTell(fd).finally(() => {
      this.#syncing = undefined;
    });
  }

  async #syncAndTell(fd: number): Promise<void> {
    await this.#datasync(fd);
    if (this.#failure !== undefined) return;
    await this.#options.onSynced(this.#synced).catch((error: unknown) => {
      this.#failure = { error, lossy: false };
    });
  }

  async #datasync(fd: number): Promise<void> {
    const covered = this.#offset;
    try {
      await datasync(fd);
      this.#synced = covered;
    } catch (error) {
      this.#failure = { error, lossy: true };
    }
  }
}

/** The first pieces, until they have `size` bytes. */
function begin(pieces: readonly Uint8Array[], size: number): readonly Uint8Array[] {
  let bytes = 0;
  const end = pieces.findIndex((piece) => {
    bytes += piece.length;
    return bytes >= size;
  });
  return end === -1 ? pieces : pieces.slice(0, end + 1);
}

/** What is left of pieces behind their first `count` bytes. */
function skip(pieces: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let left = count;
  for (const [i, piece] of pieces.entries()) {
    if (left < piece.length) return [piece.subarray(left), ...pieces.slice(i + 1)];
    left -= piece.length;
  }
  return [];
}
