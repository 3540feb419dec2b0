import { Readable } from "node:stream";
import type { BlobIngester, BlobStat } from "../blobs/port.ts";
import { algorithmOf, type Digest } from "../core/digest.ts";

/** Stores bytes that are already in memory, such as a manifest, under their digest. Durable when it resolves. */
export async function storeBytes(blobs: BlobIngester, bytes: Buffer, digest: Digest): Promise<BlobStat> {
  const upload = await blobs.begin({ algorithms: [algorithmOf(digest)] });
  try {
    await upload.append(Readable.from([bytes], { objectMode: false }), { at: 0 });
    return await upload.commit({ digests: [digest] });
  } catch (error) {
    await upload.cancel();
    throw error;
  }
}
