import { type Stats, statSync } from "node:fs";
import { LRUCache } from "lru-cache";
import type { Digest } from "../core/digest.ts";
import type { BytesBlob } from "./bytes-blob.ts";
import type { BlobStat } from "./port.ts";
import type { SyncedDirectory } from "./sync.ts";

/** What has been learned of a blob, true as long as its file is the same. */
export interface KnownBlob {
  readonly path: string;
  readonly stat: BlobStat;
  readonly directory: SyncedDirectory;
  /** Its bytes, verified, when it is small. */
  readonly blob: BytesBlob | undefined;
  /** Its bytes are known not to be what the digest says. */
  readonly rotten: boolean;
  readonly ino: number;
  readonly mtimeMs: number;
  /** When the file was last seen to be the same, in milliseconds of `performance.now()`. */
  seenAt: number;
}

// Bytes.
const BUDGET = 64 * 1024 * 1024;
// Bytes that an entry takes beside those of the blob: its text is among them.
const ENTRY = 5 * 1024;

// Milliseconds for which a look at the file holds: nobody notices, and under load it saves a tenth of a small
// read (3 of 15 µs).
const LOOK_HOLDS = 10;

// The kernel knows a file that was looked at a moment ago: asking it takes less than handing the question to
// another thread.
const STAT_OPTIONS = { throwIfNoEntry: false } as const;

/** Blobs that were asked for lately, small ones with their bytes. Bounded by memory. */
export class KnownBlobs {
  readonly #blobs = new LRUCache<Digest, KnownBlob>({
    maxSize: BUDGET,
    sizeCalculation: ({ blob }) => ENTRY + (blob?.size ?? 0),
  });

  /** `undefined` when nothing is known, or the file has changed or gone since (a few milliseconds aside). */
  get(digest: Digest): KnownBlob | undefined {
    const known = this.#blobs.get(digest);
    if (known === undefined) return undefined;
    const now = performance.now();
    if (now - known.seenAt < LOOK_HOLDS) return known;
    if (isSameFile(known)) {
      known.seenAt = now;
      return known;
    }
    this.#blobs.delete(digest);
    return undefined;
  }

  /** What is known of a file with these properties. */
  same(digest: Digest, found: Stats): KnownBlob | undefined {
    const known = this.#blobs.get(digest);
    return known !== undefined && isSame(known, found) ? known : undefined;
  }

  /** Remembers what was learned of a file while it had these properties. */
  learn(known: KnownBlob): void {
    this.#blobs.set(known.stat.digest, known);
  }

  forget(digest: Digest): void {
    this.#blobs.delete(digest);
  }
}

function isSameFile(known: KnownBlob): boolean {
  try {
    const found = statSync(known.path, STAT_OPTIONS);
    return found !== undefined && isSame(known, found);
  } catch {
    // Whoever asks finds out what is wrong when it opens the file.
    return false;
  }
}

function isSame({ stat, ino, mtimeMs }: KnownBlob, found: Stats): boolean {
  return found.size === stat.size && found.ino === ino && found.mtimeMs === mtimeMs;
}
