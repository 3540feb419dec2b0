import { randomBytes } from "node:crypto";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import type { S3Options } from "./client.ts";
import { explain, isMissingObject, S3StoreError, withoutSecrets } from "./errors.ts";

/** What a store is opened on. */
export interface CheckedBucket extends S3Options {
  /** When the schema of the catalog's database was made, in ISO 8601: no two databases have the same, but for copies. */
  readonly owner?: string;
}

/**
 * Finds out whether the bucket can be read, written and removed from, and whether it is the database's: another one
 * would take all that is in it for orphans, and sweep it. A bucket without an owner is claimed.
 * @throws S3StoreError
 */
export async function checkBucket(client: S3Client, options: CheckedBucket): Promise<void> {
  const { bucket: Bucket, prefix = "", owner } = options;
  const probe = { Bucket, Key: `${prefix}blobs/probe-${randomBytes(16).toString("hex")}` };
  const attempt = async <T>(what: string, work: Promise<T>): Promise<T> =>
    await work.catch((error: unknown) => {
      throw new S3StoreError(`${placeOf(options)} cannot be ${what}: ${explain(error)}`, {
        cause: withoutSecrets(error),
      });
    });
  const listing = new ListObjectsV2Command({ Bucket, Prefix: `${prefix}blobs/`, MaxKeys: 1 });
  await attempt("used", client.send(listing));
  await attempt("written", client.send(new PutObjectCommand({ ...probe, Body: "layerd" })));
  await attempt("emptied", client.send(new DeleteObjectCommand(probe)));
  if (owner === undefined) return;
  const mark = { Bucket, Key: `${prefix}layerd.json` };
  const found = await attempt("read", readMark(client, mark));
  if (found === undefined) {
    const Body = `${JSON.stringify({ database: owner })}\n`;
    await attempt("written", client.send(new PutObjectCommand({ ...mark, Body })));
  } else if (found !== owner) {
    throw new S3StoreError(
      `${placeOf(options)} belongs to a database whose schema was made at ${found}, that of this one at ${owner}: correct index, or give blobs another prefix`,
    );
  }
}

/** Whose the bucket is; `undefined` when it is nobody's. */
async function readMark(
  client: S3Client,
  mark: { readonly Bucket: string; readonly Key: string },
): Promise<string | undefined> {
  try {
    const { Body } = await client.send(new GetObjectCommand(mark));
    const { database } = JSON.parse((await Body?.transformToString()) ?? "");
    return String(database);
  } catch (error) {
    if (isMissingObject(error)) return undefined;
    throw error;
  }
}

function placeOf({ bucket, endpoint = "Amazon S3" }: S3Options): string {
  return `the bucket ${bucket} at ${endpoint}`;
}
