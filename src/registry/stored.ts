import type { BlobReader } from "../blobs/port.ts";
import type { Digest } from "../core/digest.ts";
import type { RepositoryName } from "../core/name.ts";
import type { BlobEntry, Index } from "../index/port.ts";

/** The stores as far as it takes to look for a blob. */
export interface Shelves {
  readonly blobs: BlobReader;
  readonly index: Index;
}

/** A blob that the repository may serve and whose bytes are there, as many as recorded. */
export async function storedBlob(
  { blobs, index }: Shelves,
  repository: RepositoryName,
  digest: Digest,
): Promise<BlobEntry | undefined> {
  const entry = await index.blob(repository, digest);
  return entry !== undefined && (await blobs.stat(digest))?.size === entry.size ? entry : undefined;
}
