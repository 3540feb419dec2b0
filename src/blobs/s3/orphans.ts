import { removeObject, type S3Context } from "./context.ts";

/** What a sweep has removed. */
export interface SweptOrphans {
  /** Objects that were garbage. */
  readonly garbage: number;
  /** Objects that the catalog does not know. */
  readonly objects: number;
  /** Multipart uploads that nobody will finish. */
  readonly multiparts: number;
}

const PAGE = 1000;

/**
 * Removes what nothing needs any more, in three steps: what the catalog says is garbage; then objects and multipart
 * uploads in the bucket that the catalog does not know. To be called while the catalog is whole: a catalog that was
 * restored from an old copy does not know what was stored since.
 * @param signal breaks it off; what is left, the next sweep removes.
 * @param olderThan what has been touched later stays. At least an hour ago, for open handles; a day, for uploads.
 */
export async function sweepOrphans(
  context: S3Context,
  olderThan: Date,
  signal?: AbortSignal,
): Promise<SweptOrphans> {
  await context.catalog.objects.expire(olderThan);
  const garbage = await removeGarbage(context, olderThan, signal);
  const objects = await removeUnknown(context, olderThan, signal);
  const multiparts = await abortStray(context, olderThan, signal);
  return { garbage, objects, multiparts };
}

async function removeGarbage(context: S3Context, before: Date, signal?: AbortSignal): Promise<number> {
  for (let removed = 0; ; ) {
    const page = await context.catalog.objects.garbage({ before }, PAGE);
    for (const dead of page) {
      signal?.throwIfAborted();
      await removeObject(context, dead);
    }
    removed += page.length;
    if (page.length < PAGE) return removed;
  }
}

async function removeUnknown(
  { bucket, catalog, prefix }: S3Context,
  before: Date,
  signal?: AbortSignal,
): Promise<number> {
  let removed = 0;
  for await (const page of bucket.objects(prefix)) {
    signal?.throwIfAborted();
    const old = page.filter(({ modifiedAt }) => modifiedAt < before).map(({ key }) => key);
    const unknown = await catalog.objects.unknown(old);
    for (const key of unknown) await bucket.remove(key);
    removed += unknown.length;
  }
  return removed;
}

async function abortStray(
  { bucket, catalog, prefix }: S3Context,
  before: Date,
  signal?: AbortSignal,
): Promise<number> {
  let aborted = 0;
  for await (const page of bucket.multiparts(prefix)) {
    signal?.throwIfAborted();
    const stray = await catalog.objects.stray(page.filter(({ begunAt }) => begunAt < before));
    for (const { key, multipart } of stray) await bucket.abort(key, multipart);
    aborted += stray.length;
  }
  return aborted;
}
