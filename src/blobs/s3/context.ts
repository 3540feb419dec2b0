import { randomBytes } from "node:crypto";
import type { Slots } from "../../core/slots.ts";
import type { HashThreads } from "../hasher.ts";
import type { BlobLog } from "../log.ts";
import type { Bucket } from "./bucket.ts";
import type { BlobCatalog, DeadObject } from "./catalog.ts";
import type { IdleContents } from "./idle-contents.ts";

/** What all of one store works with. */
export interface S3Context {
  readonly bucket: Bucket;
  readonly catalog: BlobCatalog;
  /** What the keys of all objects begin with. */
  readonly prefix: string;
  readonly log: BlobLog | undefined;
  /** Who may send a part. */
  readonly slots: Slots;
  readonly idle: IdleContents;
  readonly threads: HashThreads;
}

/** A key that nobody has ever used, and nobody will again. */
export function newKey({ prefix }: S3Context): string {
  return `${prefix}${randomBytes(16).toString("hex")}`;
}

/** Removes garbage from the bucket, then from the catalog. */
export async function removeObject({ bucket, catalog }: S3Context, dead: DeadObject): Promise<void> {
  if (dead.multipart !== undefined) await bucket.abort(dead.key, dead.multipart);
  await bucket.remove(dead.key);
  await catalog.objects.removed(dead.key);
}

/** Removes those of some objects that are garbage and that nobody can be reading. What cannot be removed now stays garbage. */
export async function removeAtOnce(context: S3Context, keys: readonly string[]): Promise<void> {
  if (keys.length === 0) return;
  try {
    for (const dead of await context.catalog.objects.garbage({ keys }, keys.length)) {
      await removeObject(context, dead);
    }
  } catch (err) {
    context.log?.warn({ err }, "what an upload has left in the bucket cannot be removed now; a sweep will");
  }
}
