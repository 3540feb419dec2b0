import { z } from "zod";
import { FILES } from "./index-place.ts";
import type { Kind } from "./kinds.ts";

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html, and the capitals of older buckets.
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/;
// Characters that need no encoding wherever a key is written.
const PREFIX = /^(?:[A-Za-z0-9!_.*'()-]+(?:\/|$))*$/;

/** Where blobs are: in files of the data directory, or in a bucket. */
export const blobsPlace: Kind<string> = {
  type: z.string().refine((value) => value === FILES || bucketOf(value) !== undefined),
  expected: "files or a bucket such as s3://layers or s3://layers/some/prefix",
  read: (written) => written,
  show: (value) => value,
};

export interface BucketPlace {
  readonly bucket: string;
  /** Empty, or ending in a slash. */
  readonly prefix: string;
}

/** `undefined` when it names no bucket. */
export function bucketOf(place: string): BucketPlace | undefined {
  const [, bucket = "", path = ""] = /^s3:\/\/([^/]*)\/?(.*)$/.exec(place) ?? [];
  if (!BUCKET.test(bucket) || !PREFIX.test(path)) return undefined;
  return { bucket, prefix: path === "" || path.endsWith("/") ? path : `${path}/` };
}
