import { Readable } from "node:stream";
import type { BlobIngester, BlobStat } from "../blobs/port.ts";

/** Stores bytes that are already in memory, such as a generated manifest. Durable when it resolves. */
export async function storeBytes(blobs: BlobIngester, bytes: Buffer): Promise<BlobStat> {
  const upload = await blobs.begin();
  try {
    await upload.append(Readable.from([bytes], { objectMode: false }), { at: 0 });
    return await upload.commit();
  } catch (error) {
    await upload.cancel();
    throw error;
  }
}
