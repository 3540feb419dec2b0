import type { BlobSweeper } from "../../blobs/port.ts";
import type { Digest } from "../../core/digest.ts";

/**
 * Deletes what is in quarantine, and then what is in the trash, each oldest first, until uploads are taken again: that
 * something could be looked into, or restored, is worth less than that something can be stored. Resolves with how many
 * blobs it has deleted.
 */
export async function relieve(blobs: BlobSweeper): Promise<number> {
  let deleted = 0;
  if (!(await blobs.short())) return deleted;
  for await (const remove of removals(blobs)) {
    await remove();
    deleted += 1;
    if (!(await blobs.short())) break;
  }
  return deleted;
}

async function* removals(blobs: BlobSweeper): AsyncGenerator<() => Promise<void>> {
  const quarantined = await Array.fromAsync(blobs.quarantined());
  for (const digest of oldestFirst(quarantined, "quarantinedAt")) yield () => blobs.dispose(digest);
  const discarded = await Array.fromAsync(blobs.discarded());
  for (const digest of oldestFirst(discarded, "discardedAt")) yield () => blobs.purge(digest);
}

function oldestFirst<K extends string>(
  items: readonly (Readonly<Record<K, Date>> & { readonly digest: Digest })[],
  at: K,
): Digest[] {
  return items.toSorted((a, b) => a[at].getTime() - b[at].getTime()).map(({ digest }) => digest);
}
