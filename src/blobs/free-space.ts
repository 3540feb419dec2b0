import { statfs } from "node:fs/promises";
import { isLayerdError, LayerdError } from "../core/errors.ts";
import { toStoreError } from "./disk.ts";

// A look is worth its while after so many bytes, or so many milliseconds.
const LOOK_AFTER_BYTES = 32 * 1024 * 1024;
const LOOK_AFTER_MS = 500;

/** Watches that uploads leave some room on the disk, for whatever else must go on when it is nearly full. */
export class FreeSpace {
  readonly #directory: string;
  readonly #minFree: number;
  #enough = false;
  #taken = 0;
  #lookedAt = 0;

  /** @param minFree bytes that uploads leave free. */
  constructor(directory: string, minFree: number) {
    this.#directory = directory;
    this.#minFree = minFree;
  }

  /** To be waited for when there is a need to look at all. Throws STORE_FULL below the low-water mark. */
  check(): Promise<void> | undefined {
    const fresh = this.#taken < LOOK_AFTER_BYTES && performance.now() - this.#lookedAt < LOOK_AFTER_MS;
    return this.#enough && fresh ? undefined : this.#look();
  }

  /** As `check`, after `bytes` have been written. */
  taken(bytes: number): Promise<void> | undefined {
    this.#taken += bytes;
    return this.check();
  }

  /** Whether there is less than there should be, as of now. */
  async short(): Promise<boolean> {
    return await this.#look().then(
      () => false,
      (error: unknown) => {
        if (isLayerdError(error, "STORE_FULL")) return true;
        throw error;
      },
    );
  }

  async #look(): Promise<void> {
    this.#taken = 0;
    this.#lookedAt = performance.now();
    const { bavail, bsize } = await statfs(this.#directory).catch((error: unknown) => {
      throw toStoreError(error);
    });
    this.#enough = bavail * bsize >= this.#minFree;
    if (this.#enough) return;
    throw new LayerdError("STORE_FULL", undefined, {
      detail: { free: bavail * bsize, minFree: this.#minFree },
    });
  }
}
