import type { Readable } from "node:stream";
import { LayerdError } from "../../core/errors.ts";
import type { ByteSpan } from "../port.ts";
import type { Bucket } from "./bucket.ts";
import type { StoredObject } from "./catalog.ts";
import { toStoreError } from "./errors.ts";

// A GET that breaks off goes on where it was, unless so many in a row have brought nothing. One that gets no answer is
// not asked again: the SDK has.
const FRUITLESS_MAX = 2;

/**
 * The bytes of a span of an object as they arrive.
 * @throws UNAVAILABLE when they cannot be read.
 */
export async function* chunksOf(
  bucket: Bucket,
  { key }: Pick<StoredObject, "key">,
  { start, end }: ByteSpan,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  let at = start;
  for (let fruitless = 0; at < end; ) {
    const before = at;
    const body = await get(bucket, key, { start: at, end }, signal);
    try {
      for await (const chunk of body) {
        at += chunk.length;
        yield chunk;
      }
      if (at < end) throw new Error(`the answer ended at byte ${at}, before byte ${end}`);
    } catch (error) {
      signal.throwIfAborted();
      fruitless = at === before ? fruitless + 1 : 0;
      if (fruitless >= FRUITLESS_MAX) throw toStoreError(error);
    }
  }
}

async function get(bucket: Bucket, key: string, span: ByteSpan, signal: AbortSignal): Promise<Readable> {
  signal.throwIfAborted();
  const body = await bucket.get(key, span, signal).catch((error: unknown) => {
    signal.throwIfAborted();
    throw error;
  });
  if (body !== undefined) return body;
  throw new LayerdError("UNAVAILABLE", "the bytes of this blob are gone");
}
