import type { Kysely } from "kysely";
import { inTransaction } from "./statements.ts";

/*
 * What the blob store on S3 keeps of the objects in its bucket (src/blobs/s3). New tables, which servers that do not
 * know them do without.
 *
 *   blob_objects   every object in the bucket, from before its first byte until it has been removed; what it is
 *                  there for is its state, and to publish, discard or restore a blob is to change it
 *   blob_uploads   uploads that can be resumed
 *   blob_parts     the finished parts of those
 *
 * A digest is one byte for its algorithm (1 sha256, 2 sha512) and the hash, so that its order is that of the text.
 */

export const TABLES = [
  `create table blob_objects (
      key text primary key,
      state text not null check (state in ('writing', 'live', 'trash', 'quarantine', 'garbage')),
      digest bytea,
      size bigint,
      since timestamptz not null default now(),
      upload text,
      multipart text,
      check (state in ('writing', 'garbage') or (digest is not null and size is not null))
    )`,
  `create unique index blob_objects_live on blob_objects (digest) where state = 'live'`,
  `create unique index blob_objects_trash on blob_objects (digest) where state = 'trash'`,
  `create index blob_objects_since on blob_objects (state, since) where state in ('writing', 'quarantine', 'garbage')`,
  `create index blob_objects_upload on blob_objects (upload) where upload is not null`,
  `create table blob_uploads (
      id text primary key,
      version uuid not null,
      touched_at timestamptz not null default now(),
      algorithms text[] not null,
      note json,
      size bigint not null default 0,
      head bytea not null default '',
      hashes bytea[] not null,
      key text,
      next_part integer not null default 1,
      tail json not null default '[]',
      sealed bigint,
      digests bytea[] not null default '{}',
      committed boolean not null default false
    )`,
  `create table blob_parts (
      upload text not null references blob_uploads on delete cascade,
      number integer not null,
      etag text not null,
      size bigint not null,
      primary key (upload, number)
    )`,
];

export async function up(database: Kysely<unknown>): Promise<void> {
  await inTransaction(database, TABLES);
}

export async function down(database: Kysely<unknown>): Promise<void> {
  await inTransaction(
    database,
    ["blob_parts", "blob_uploads", "blob_objects"].map((table) => `drop table ${table}`),
  );
}
