import { type Digest, digestOf } from "../../core/digest.ts";
import type { RepositoryName } from "../../core/name.ts";
import type { BlobEntry, Index, TagEntry } from "../../index/port.ts";
import { DigestSet } from "../gc/digest-set.ts";
import { byName, newestFirst } from "./pages.ts";

/**
 * What a repository has, as far as it is to be compared: 34 to 68 bytes an entry, read page by page, where asking for
 * each one would take a request each.
 */
export class Known {
  readonly #prints = new DigestSet();

  static async of(index: Index, repository: RepositoryName): Promise<Known> {
    const known = new Known();
    for await (const items of newestFirst((page) => index.blobs(repository, page))) {
      for (const item of items) known.addBlob(item);
    }
    for await (const items of newestFirst((page) => index.manifests(repository, page))) {
      for (const { digest } of items) known.addManifest(digest);
    }
    for await (const items of byName((page) => index.tags(repository, page))) {
      for (const item of items) known.addTag(item);
    }
    return known;
  }

  /** Whether the blob is linked as it is there, and all is known of it that is known there. */
  hasBlob(entry: BlobEntry): boolean {
    return this.#prints.has(printOfBlob(entry));
  }

  addBlob(entry: BlobEntry): void {
    const { unpacked: _more, ...linked } = entry;
    this.#prints.add(printOfBlob(linked));
    if (entry.unpacked !== undefined) this.#prints.add(printOfBlob(entry));
  }

  hasManifest(digest: Digest): boolean {
    return this.#prints.has(print("manifest", digest));
  }

  addManifest(digest: Digest): void {
    this.#prints.add(print("manifest", digest));
  }

  /** Whether the tag is at that digest. */
  hasTag({ tag, digest }: TagEntry): boolean {
    return this.#prints.has(print("tag", tag, digest));
  }

  addTag({ tag, digest }: TagEntry): void {
    this.#prints.add(print("tag", tag, digest));
  }
}

function printOfBlob({ digest, size, mediaType, name, unpacked }: BlobEntry): Digest {
  return print("blob", digest, size, mediaType, name, unpacked?.diffId, unpacked?.size);
}

function print(...parts: readonly (string | number | undefined)[]): Digest {
  return digestOf(Buffer.from(JSON.stringify(parts)));
}
