import type { Digest } from "../core/digest.ts";
import type { BlobEntry, Look, ManifestEntry } from "./port.ts";

/**
 * What somebody has been told is here, and may now rely on: a client that hears that a blob exists does not send
 * it. Each promise holds for one to two generations, in whichever repository, and costs no time of its own to end.
 * Lost with the process, so whoever collects garbage waits for a generation after a start.
 */
export class Promises {
  #young = new Set<Digest>();
  #old = new Set<Digest>();

  give(digest: Digest): void {
    this.#young.add(digest);
  }

  /** An entry that was looked for, promised in the same moment in which it is found: nothing can come between. */
  found<T extends BlobEntry | ManifestEntry>(entry: T | undefined, look: Look | undefined): T | undefined {
    if (entry !== undefined && look?.promise === true) this.giveEntry(entry);
    return entry;
  }

  giveEntry(entry: BlobEntry | ManifestEntry): void {
    for (const digest of reliedOn(entry)) this.give(digest);
  }

  hold(digest: Digest): boolean {
    return this.#young.has(digest) || this.#old.has(digest);
  }

  /** Ends the promises that were given before the last call. */
  age(): void {
    this.#old = this.#young;
    this.#young = new Set();
  }
}

/** What whoever is told of an entry relies on: of a manifest also what it names, for which they come next. */
export function reliedOn(entry: BlobEntry | ManifestEntry): Digest[] {
  if (!("blobs" in entry)) return [entry.digest];
  return [entry.digest, ...entry.blobs, ...(entry.manifests ?? [])];
}
