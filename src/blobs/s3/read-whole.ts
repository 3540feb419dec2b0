import { buffer } from "node:stream/consumers";
import type { Bucket } from "./bucket.ts";
import type { StoredObject } from "./catalog.ts";
import { toStoreError } from "./errors.ts";

/** The first `size` bytes of an object, which are few; `undefined` when it is not there. */
export async function readWhole(
  bucket: Bucket,
  object: Pick<StoredObject, "key" | "size">,
): Promise<Buffer | undefined> {
  const { key, size } = object;
  if (size === 0) return (await bucket.size(key)) === undefined ? undefined : Buffer.alloc(0);
  const body = await bucket.get(key, { start: 0, end: size }, new AbortController().signal);
  if (body === undefined) return undefined;
  return await buffer(body).catch((error: unknown) => {
    throw toStoreError(error);
  });
}
