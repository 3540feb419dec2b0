import { randomFillSync } from "node:crypto";
import { open, rm, stat, statfs, truncate } from "node:fs/promises";
import { dirname } from "node:path";
import type { Disk, DiskFile } from "./disk.ts";

// Bytes: some 5,000 lines of the journal. Deleting that much gives back more than is needed to go on.
const SIZE = 1024 * 1024;
// The disk must have so many times that before it is taken from others again.
const ROOM = 8;
// Milliseconds.
const REFILL_EVERY = 10_000;

/**
 * Space that is taken in advance, and given to the index when the disk has none left: deleting something takes a
 * line of the journal, and is what a full disk needs most. Uploads never get it, for they stop long before
 * (`minFree`).
 */
export class Reserve {
  readonly #path: string;
  #refill: NodeJS.Timeout | undefined;

  /** @param path of a file that is nobody else's. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Takes the space, when there is enough of it; without it, everything works until the disk is full. */
  async fill(): Promise<boolean> {
    const { bavail, bsize } = await statfs(dirname(this.#path));
    const present = (await stat(this.#path).catch(() => undefined))?.size ?? 0;
    if (present === SIZE) return true;
    if (bavail * bsize < SIZE * ROOM) return false;
    try {
      await this.#write();
      return true;
    } catch {
      // Somebody else was faster. What has been taken of a disk that is full after all is given back.
      await rm(this.#path, { force: true }).catch(() => undefined);
      return false;
    }
  }

  /** Gives the space up; false when there was none. It is taken again as soon as there is room. */
  async release(): Promise<boolean> {
    const before = (await stat(this.#path).catch(() => undefined))?.size ?? 0;
    if (before > 0) await truncate(this.#path, 0);
    this.#refill ??= setInterval(() => void this.#tryAgain(), REFILL_EVERY).unref();
    return before > 0;
  }

  close(): void {
    clearInterval(this.#refill);
  }

  async #tryAgain(): Promise<void> {
    if (!(await this.fill().catch(() => false))) return;
    clearInterval(this.#refill);
    this.#refill = undefined;
  }

  /** Not zeros: some file systems keep those for nothing. */
  async #write(): Promise<void> {
    const file = await open(this.#path, "w", 0o600);
    try {
      await file.writeFile(randomFillSync(Buffer.alloc(SIZE)));
    } finally {
      await file.close();
    }
  }
}

/** The disk, with the reserve for writes that find it full. */
export function withReserve(disk: Disk, reserve: Reserve): Disk {
  return { ...disk, open: async (path) => reserved(await disk.open(path), reserve) };
}

function reserved(file: DiskFile, reserve: Reserve): DiskFile {
  return {
    size: () => file.size(),
    write: async (bytes, at) => {
      try {
        await file.write(bytes, at);
      } catch (error) {
        if (!(await reserve.release())) throw error;
        await file.write(bytes, at);
      }
    },
    truncate: (size) => file.truncate(size),
    sync: () => file.sync(),
    close: () => file.close(),
  };
}
