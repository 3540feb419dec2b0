import type { Digest } from "../../core/digest.ts";
import type { RepositoryName, Tag } from "../../core/name.ts";
import type { BlobEntry, Index, ManifestEntry, Page, TagEntry } from "../../index/port.ts";
import { DigestSet } from "./digest-set.ts";
import type { Pace } from "./pace.ts";

/* All of an index, page by page: nobody holds all of it at once, and what is not in memory is read piece by piece. */

const LIMIT = 1000;

export async function* everyRepository(index: Index): AsyncGenerator<RepositoryName> {
  for (let after: string | undefined; ; ) {
    const page: Page<RepositoryName, RepositoryName> = await index.repositories({
      limit: LIMIT,
      ...(after === undefined ? {} : { after }),
    });
    yield* page.items;
    if (page.next === undefined) return;
    after = page.next;
  }
}

type Tagged = ManifestEntry & { readonly tags: readonly string[] };

export function everyManifest(index: Index, repository: RepositoryName, pace: Pace): AsyncGenerator<Tagged> {
  return everything((page) => index.manifests(repository, page), pace);
}

export function everyBlob(index: Index, repository: RepositoryName, pace: Pace): AsyncGenerator<BlobEntry> {
  return everything((page) => index.blobs(repository, page), pace);
}

export async function* everyTag(
  index: Index,
  repository: RepositoryName,
  pace: Pace,
): AsyncGenerator<TagEntry> {
  for (let after: string | undefined; ; ) {
    const page: Page<TagEntry, Tag> = await index.tags(repository, {
      limit: LIMIT,
      ...(after === undefined ? {} : { after }),
    });
    for (const item of page.items) {
      await pace.step();
      yield item;
    }
    if (page.next === undefined) return;
    after = page.next;
  }
}

/** Blobs linked before a time that no manifest of the repository names, those in `without` aside. */
export async function* unusedBlobs(
  index: Index,
  repository: RepositoryName,
  about: { readonly before: Date | undefined; readonly without: ReadonlySet<Digest> },
  pace: Pace,
): AsyncGenerator<Digest> {
  const { before, without } = about;
  if (before === undefined) return;
  const named = without.size === 0 ? undefined : await namedBlobs(index, repository, without, pace);
  const candidates =
    named === undefined
      ? everything((page) => index.unusedBlobs(repository, page), pace)
      : everyBlob(index, repository, pace);
  for await (const { digest, createdAt } of candidates) {
    if (new Date(createdAt) < before && named?.has(digest) !== true) yield digest;
  }
}

async function namedBlobs(
  index: Index,
  repository: RepositoryName,
  without: ReadonlySet<Digest>,
  pace: Pace,
): Promise<DigestSet> {
  const named = new DigestSet();
  for await (const { digest, blobs } of everyManifest(index, repository, pace)) {
    if (!without.has(digest)) for (const blob of blobs) named.add(blob);
  }
  return named;
}

async function* everything<T>(
  read: (page: { limit: number; before?: number }) => Promise<Page<T>>,
  pace: Pace,
): AsyncGenerator<T> {
  for (let before: number | undefined; ; ) {
    const page = await read({ limit: LIMIT, ...(before === undefined ? {} : { before }) });
    for (const item of page.items) {
      await pace.step();
      yield item;
    }
    if (page.next === undefined) return;
    before = page.next;
  }
}
