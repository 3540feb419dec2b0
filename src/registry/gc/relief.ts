import type { BlobSweeper } from "../../blobs/port.ts";

/**
 * Purges what is in the trash, oldest first, until uploads are taken again: that something could be restored is worth
 * less than that something can be stored. Resolves with how many blobs it has purged.
 */
export async function relieve(blobs: BlobSweeper): Promise<number> {
  let purged = 0;
  if (!(await blobs.short())) return purged;
  const trash = await Array.fromAsync(blobs.discarded());
  for (const { digest } of trash.sort((a, b) => a.discardedAt.getTime() - b.discardedAt.getTime())) {
    await blobs.purge(digest);
    purged += 1;
    if (!(await blobs.short())) break;
  }
  return purged;
}
